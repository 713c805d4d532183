package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/countersign/countersign/store"
)

// databaseFlag is the flag of commands that read the database.
func databaseFlag(flags *flag.FlagSet, env environment) *string {
	return flags.String("database", cmp.Or(env.getenv("COUNTERSIGN_DATABASE_URL"), "sqlite:countersign.db"), "database `URL`")
}

// withDatabase opens a database that is there, and closes it.
func withDatabase(ctx context.Context, o store.Options, do func(*store.Store) error) error {
	st, err := store.OpenExisting(ctx, o)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w, with --database", err) // the store's hint goes on
	}
	if err != nil {
		return err
	}
	return errors.Join(do(st), st.Close())
}
