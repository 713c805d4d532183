package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/countersign/countersign/store"
)

// databaseFlag is the flag of commands that read the database.
func databaseFlag(flags *flag.FlagSet, env environment) *string {
	u := databaseURL(cmp.Or(env.getenv("COUNTERSIGN_DATABASE_URL"), "sqlite:countersign.db"))
	flags.Var(&u, "database", "database `URL`")
	return (*string)(&u)
}

// databaseURL is the value of the flag, shown without a password: help shows what the environment says.
type databaseURL string

func (u *databaseURL) Set(text string) error {
	*u = databaseURL(text)
	return nil
}

func (u *databaseURL) String() string {
	scheme, _, _ := strings.Cut(string(*u), ":")
	if scheme == "sqlite" || *u == "" {
		return string(*u)
	}
	return scheme + ":…"
}

// keyFlag is the flag of commands that sign the log.
func keyFlag(flags *flag.FlagSet, env environment) *string {
	return flags.String("key", keyFile(env), "`file` with the key that signs the log")
}

// publicKeyFlag is the flag of commands that check what was signed.
func publicKeyFlag(flags *flag.FlagSet, env environment) *string {
	return flags.String("key", keyFile(env), "`file` with the log's public key, or with the signing key")
}

// keyFile is where serve has the signing key.
func keyFile(env environment) string {
	return cmp.Or(env.getenv("COUNTERSIGN_SIGNING_KEY_FILE"), "countersign.key")
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

// orgOf finds an organisation by its login.
func orgOf(ctx context.Context, st *store.Store, login string) (store.OrgRow, error) {
	orgs, err := st.Orgs(ctx)
	if err != nil {
		return store.OrgRow{}, err
	}
	var names []string
	for _, org := range orgs {
		if strings.EqualFold(org.Login, login) {
			return org, nil
		}
		names = append(names, org.Login)
	}
	return store.OrgRow{}, fmt.Errorf("the database holds no organisation %q\nhint: it holds %s", login, cmp.Or(strings.Join(names, ", "), "none"))
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
