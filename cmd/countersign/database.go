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

// keyFlag is the flag of commands that sign the log.
func keyFlag(flags *flag.FlagSet, env environment) *string {
	return flags.String("key", cmp.Or(env.getenv("COUNTERSIGN_SIGNING_KEY_FILE"), "countersign.key"), "`file` with the key that signs the log")
}

// orgFlag is the flag of commands about one organisation.
func orgFlag(flags *flag.FlagSet) *string {
	return flags.String("org", "", "the organisation, by `login`")
}

// withOrg opens a database that is there for a command about one organisation.
func withOrg(ctx context.Context, o store.Options, login string, flags *flag.FlagSet, do func(store.OrgRow, store.Tenant) error) error {
	if login == "" {
		fmt.Fprintf(flags.Output(), "countersign %s: --org is needed\n", flags.Name())
		return errUsage
	}
	return withDatabase(ctx, o, func(st *store.Store) error {
		org, err := orgOf(ctx, st, login)
		if err != nil {
			return err
		}
		return do(org, st.Tenant(org.ID))
	})
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
