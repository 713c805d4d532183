package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const newGenerationHelp = `countersign ledger new-generation lets the log of an organisation go on after an old copy of
the database was restored. What was signed since the copy was made is known to others, so
nothing more may be signed under the log's name: it gets another one, and its next leaf says
which checkpoint was the last of the old name, and of which time leaves are lost.

Give it the newest checkpoint that anybody has: of the newest check run, of a mirror, of an
auditor. Stop the server first, and start it again afterwards.

example:
  countersign ledger new-generation --database sqlite:countersign.db --key countersign.key \
    --org acme --last checkpoint.txt`

func runNewGeneration(ctx context.Context, args []string, env environment) error {
	flags := newFlags("ledger new-generation", env.stderr, newGenerationHelp)
	database, keyFile, login := databaseFlag(flags, env), keyFlag(flags, env), orgFlag(flags)
	lastFile := flags.String("last", "", "`file` with the newest checkpoint that is known of the log")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *login == "" || *lastFile == "" {
		fmt.Fprintln(env.stderr, "countersign ledger new-generation: --org and --last are needed")
		return errUsage
	}
	key, err := readSigningKey(*keyFile)
	if err != nil {
		return err
	}
	last, err := os.ReadFile(*lastFile)
	if err != nil {
		return fmt.Errorf("last checkpoint: %w", err)
	}
	return withOrg(ctx, store.Options{URL: *database, Signer: key}, *login, flags, func(org store.OrgRow, log store.Tenant) error {
		g, err := log.BeginGeneration(ctx, last)
		if errors.Is(err, ledger.ErrCheckpoint) {
			return fmt.Errorf("%w\n  hint: --last is the whole text, from the log's name to the line that begins with a dash, of a checkpoint under the log's present name", err)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s: %s\nGive the witnesses and your auditor the new name.\n", org.Login, describeGeneration(g))
		return nil
	})
}

func describeGeneration(g store.Generation) string {
	return fmt.Sprintf("%s since leaf %d: %d leaves were known under the name before, %d are here; what was recorded between %s and %s may be missing",
		g.Origin, g.Leaf, g.LastSize, g.Size, policy.WhenUTC(g.LostFrom), policy.WhenUTC(g.LostTo))
}
