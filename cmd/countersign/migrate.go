package main

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/store"
)

const migrateHelp = `countersign migrate moves an installation from SQLite to a PostgreSQL database that is empty. Stop the
server first, and start it with the new database afterwards, with the same signing key.

Everything is moved in one transaction. Before it commits, every row is read back and compared, and
the root hash of every log is computed anew from its leaves. The file of SQLite stays as it is:
keep it as a backup, and do not let a server write to it again.

Without --to, COUNTERSIGN_DATABASE_URL says where to, which others on the machine cannot list.

example:
  export COUNTERSIGN_DATABASE_URL=postgres://countersign:...@db.example.com/countersign
  countersign migrate --from sqlite:countersign.db`

func runMigrate(ctx context.Context, args []string, env environment) error {
	flags := newFlags("migrate", env.stderr, migrateHelp)
	from := flags.String("from", "", "`URL` of the database that there is, sqlite:PATH")
	to := databaseURL(env.getenv("COUNTERSIGN_DATABASE_URL"))
	flags.Var(&to, "to", "`URL` of the empty database")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *from == "" || to == "" {
		fmt.Fprintln(env.stderr, "countersign migrate: --from and --to are needed")
		return errUsage
	}
	moved, err := store.Move(ctx, *from, string(to), func(table string, rows int64) {
		fmt.Fprintf(env.stderr, "%s: %d rows\n", table, rows)
	})
	if err != nil {
		return err
	}
	for _, l := range moved.Logs {
		fmt.Fprintf(env.stdout, "%s: the log is the same, %d leaves, root hash %s\n", l.Login, l.Size, l.Root)
	}
	fmt.Fprintf(env.stdout, "moved %d rows of %d tables, each compared\n", moved.Rows, moved.Tables)
	return nil
}
