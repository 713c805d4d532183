package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const backupHelp = `countersign backup copies the database into a new file, as it is at one moment, while the server
goes on. The file has the deliveries, the facts and the log; the signing key is not in it, and is
kept apart.

example:
  countersign backup --to /backups/countersign-2026-11-25.db`

const restoreHelp = `countersign restore makes a database of a backup, where there is none yet. Every log in it is
re-hashed before the database has its name, and the log says that it was restored, of which backup,
and how long that took.

With --verify nothing is restored: it is tried in the temporary folder (TMPDIR), and the time that it
took is recorded in the logs of --database. That is the evidence for recovery tests (SOC 2 A1.2).
With --list, what was restored and tried before is printed.

After a restore, docs/ledger.md says how to find out whether leaves are lost, BEFORE the server is
started.

example:
  countersign restore --from /backups/countersign-2026-11-25.db --verify
  countersign restore --from /backups/countersign-2026-11-25.db --database sqlite:countersign.db`

func runBackup(ctx context.Context, args []string, env environment) error {
	flags := newFlags("backup", env.stderr, backupHelp)
	database := databaseFlag(flags, env)
	to := flags.String("to", "", "the new `file`")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *to == "" {
		fmt.Fprintln(env.stderr, "countersign backup: --to is needed")
		return errUsage
	}
	began := time.Now()
	b, err := store.MakeBackup(ctx, *database, *to)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s: %d bytes in %s\nsha256 %s\n", *to, b.Bytes, time.Since(began).Round(time.Millisecond), b.SHA256)
	fmt.Fprintf(env.stdout, "See that it can be restored: countersign restore --from %s --verify\n", *to)
	return nil
}

// restoreOrder is what was asked for.
type restoreOrder struct {
	from, database, keyFile string
	rehearsal               bool
}

func runRestore(ctx context.Context, args []string, env environment) error {
	flags := newFlags("restore", env.stderr, restoreHelp)
	o := restoreOrder{}
	database, keyFile := databaseFlag(flags, env), publicKeyFlag(flags, env)
	flags.StringVar(&o.from, "from", "", "the backup's `file`")
	flags.BoolVar(&o.rehearsal, "verify", false, "only try it, and record in the logs of --database how long it took")
	list := flags.Bool("list", false, "print what was restored and tried before")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	o.database, o.keyFile = *database, *keyFile
	switch {
	case *list:
		return listRecoveries(ctx, o.database, env)
	case o.from == "":
		fmt.Fprintln(env.stderr, "countersign restore: --from is needed")
		return errUsage
	}
	return o.run(ctx, env)
}

func (o restoreOrder) run(ctx context.Context, env environment) error {
	verifier, err := readKey(o.keyFile)
	if err != nil {
		return err
	}
	by, err := operator()
	if err != nil {
		return err
	}
	as := o.database
	if o.rehearsal {
		folder, err := os.MkdirTemp("", "countersign-restore-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(folder)
		as = "sqlite:" + filepath.Join(folder, "rehearsal.db")
	}
	began := time.Now()
	found := map[int64]store.Recovery{}
	backup, err := store.RestoreBackup(ctx, o.from, as, func(u string, b store.Backup) error {
		return withDatabase(ctx, store.Options{URL: u, Verifiers: []note.Verifier{verifier}}, func(st *store.Store) error {
			if err := checkLogs(ctx, st, "", false, env); err != nil {
				return err
			}
			if found, err = recoveries(ctx, st, b, by, o.rehearsal, time.Since(began)); err != nil || o.rehearsal {
				return err
			}
			return recordRecoveries(ctx, st, found)
		})
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Backup of %d bytes, sha256 %s: every log in it holds.\n", backup.Bytes, backup.SHA256)
	if !o.rehearsal {
		fmt.Fprintf(env.stdout, "%s is restored, in %s. Before you start the server: docs/ledger.md, \"After an old copy was restored\".\n", o.database, time.Since(began).Round(time.Millisecond))
		return nil
	}
	return withDatabase(ctx, store.Options{URL: o.database, Verifiers: []note.Verifier{verifier}}, func(st *store.Store) error {
		if err := recordRecoveries(ctx, st, found); err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "It took %s, and that is on record in the logs of %s; nothing else was changed.\n", time.Since(began).Round(time.Millisecond), o.database)
		return nil
	})
}

// recoveries is what there is to record of each log in a backup.
func recoveries(ctx context.Context, st *store.Store, b store.Backup, by store.Who, rehearsal bool, took time.Duration) (map[int64]store.Recovery, error) {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return nil, err
	}
	out := map[int64]store.Recovery{}
	for _, org := range orgs {
		newest, err := st.Tenant(org.ID).NewestAt(ctx)
		if errors.Is(err, store.ErrNotFound) {
			continue // a log without leaves has lost none
		}
		if err != nil {
			return nil, err
		}
		out[org.ID] = store.Recovery{Rehearsal: rehearsal, By: by, BackupSHA256: b.SHA256, BackupBytes: b.Bytes, Leaves: org.Leaves, NewestAt: newest, TookMillis: took.Milliseconds()}
	}
	return out, nil
}

// recordRecoveries records them in the logs of the organisations that a database has.
func recordRecoveries(ctx context.Context, st *store.Store, found map[int64]store.Recovery) error {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return err
	}
	for _, org := range orgs {
		r, ok := found[org.ID]
		if !ok {
			continue // its log began after the backup
		}
		if err := st.Tenant(org.ID).RecordRecovery(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func listRecoveries(ctx context.Context, database string, env environment) error {
	return withDatabase(ctx, store.Options{URL: database}, func(st *store.Store) error {
		orgs, err := st.Orgs(ctx)
		if err != nil {
			return err
		}
		n := 0
		for _, org := range orgs {
			list, err := st.Tenant(org.ID).Recoveries(ctx)
			if err != nil {
				return err
			}
			for _, r := range list {
				what := "restored"
				if r.Rehearsal {
					what = "tried"
				}
				fmt.Fprintf(env.stdout, "%s  %s leaf %d: %s in %s by %s, backup %.12s with %d leaves until %s\n", policy.WhenUTC(r.At), visible(org.Login), r.LeafIndex, what,
					time.Duration(r.TookMillis)*time.Millisecond, visible(r.By.String()), r.BackupSHA256, r.Leaves, policy.WhenUTC(r.NewestAt))
			}
			n += len(list)
		}
		if n == 0 {
			fmt.Fprintln(env.stdout, "No backup was restored or tried. Try the newest one: countersign restore --from FILE --verify")
		}
		return nil
	})
}
