package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign/evidence/verify"
	"github.com/countersign/countersign/store"
)

const anchorHelp = `countersign ledger anchor keeps the newest signed checkpoint of an organisation's log in a clone
of a repository of theirs, as a file with a commit of its own. Every checkpoint that the clone
ever kept must be a beginning of the log: otherwise nothing is written, and it says why.

It pushes nothing and needs no token. Whoever runs it by the clock pulls before and pushes after
it with their own rights, which are best on that repository alone. An auditor compares a bundle
with a clone of it: countersign verify --anchor.

example:
  git -C anchors pull --ff-only && countersign ledger anchor --database sqlite:countersign.db \
    --key countersign.pub --org acme --clone anchors && git -C anchors push`

func runAnchor(ctx context.Context, args []string, env environment) error {
	flags := newFlags("ledger anchor", env.stderr, anchorHelp)
	database := databaseFlag(flags, env)
	keyFile := publicKeyFlag(flags, env)
	login := orgFlag(flags)
	clone := flags.String("clone", "", "`folder` of the clone")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *clone == "" {
		fmt.Fprintln(env.stderr, "countersign ledger anchor: --clone is needed")
		return errUsage
	}
	verifier, err := readKey(*keyFile)
	if err != nil {
		return err
	}
	return withOrg(ctx, store.Options{URL: *database, Verifiers: []note.Verifier{verifier}}, *login, flags, func(_ store.OrgRow, log store.Tenant) error {
		return anchor(ctx, log, *clone, env.stdout)
	})
}

// anchor keeps the newest checkpoint. If we stop after the file is written, it is written again and
// committed the next time.
func anchor(ctx context.Context, log store.Tenant, clone string, out io.Writer) error {
	signed, err := log.CosignedCheckpoint(ctx)
	if err != nil {
		return err
	}
	size, err := log.BeginsWith(ctx, signed)
	if err != nil {
		return err
	}
	name, err := log.Name(ctx)
	if err != nil {
		return err
	}
	file, ok := verify.AnchorPath(name, size)
	if !ok {
		return fmt.Errorf("the log's name %q gives no name of a file", name)
	}
	there, err := keptIn(ctx, log, name, clone)
	if err != nil {
		return err
	}
	if there[size] {
		fmt.Fprintf(out, "%s is kept already; %d checkpoints of %s are, and the log begins with each.\n", file, len(there), name)
		return nil
	}
	if err := commitFile(ctx, clone, file, signed, fmt.Sprintf("checkpoint of %s: %d leaves", name, size)); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is kept, and not pushed yet; the log begins with each of the %d that were there.\n", file, len(there))
	return nil
}

// keptIn are the sizes of the checkpoints of a log that a clone ever kept, which the log begins with.
func keptIn(ctx context.Context, log store.Tenant, name, clone string) (map[int64]bool, error) {
	anchors, err := verify.Anchors(ctx, clone)
	if err != nil {
		return nil, fmt.Errorf("the clone: %w", err)
	}
	out := map[int64]bool{}
	for _, a := range anchors {
		if !bytes.HasPrefix(a.Signed, []byte(name+"\n")) {
			continue // of another log, or of this one under a name that it had
		}
		size, err := log.BeginsWith(ctx, a.Signed)
		if errors.Is(err, store.ErrFork) {
			err = fmt.Errorf("%w\n  hint: nothing was written. If an old copy was restored: countersign ledger new-generation (docs/ledger.md)", err)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		out[size] = true
	}
	return out, nil
}

// commitFile writes a file into a clone, and commits it and nothing else.
func commitFile(ctx context.Context, clone, file string, content []byte, message string) error {
	root, err := os.OpenRoot(clone)
	if err != nil {
		return fmt.Errorf("the clone: %w", err)
	}
	defer root.Close()
	if err = root.MkdirAll(path.Dir(file), 0o777); err == nil {
		err = root.WriteFile(file, content, 0o666)
	}
	if err != nil {
		return fmt.Errorf("keep the checkpoint: %w", err)
	}
	for _, args := range [][]string{{"add", "--", file}, {"commit", "-q", "-m", message, "--", file}} {
		if said, err := exec.CommandContext(ctx, "git", append([]string{"-C", clone}, args...)...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(said)))
		}
	}
	return nil
}
