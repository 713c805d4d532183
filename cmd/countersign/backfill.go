package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const backfillHelp = `countersign backfill has what reached the branches before they were enrolled read from GitHub's list
of updates: docs/evidence.md. That happens by itself, for one year back, when a branch is enrolled. By
hand it goes further back, or tries again what could not be read. What was read is not read again.

The running server does the reading, a little at a time so that decisions go first: about 700 updates
an hour. This command asks for it and shows how far it is. Stop it with Ctrl-C: the reading goes on,
and the same command shows it again.

usage: countersign backfill --org LOGIN [--repo OWNER/NAME] [--since DATE] [flags]

example:
  countersign backfill --org acme --since 2025-07-01`

// backfillLook is how often the command looks how far the reading is.
const backfillLook = time.Second

func runBackfill(ctx context.Context, args []string, env environment) error {
	flags := newFlags("backfill", env.stderr, backfillHelp)
	database := databaseFlag(flags, env)
	login := orgFlag(flags)
	repo := flags.String("repo", "", "only this repository, `owner/name`")
	from := flags.String("since", "", "first `date` that is read, YYYY-MM-DD, UTC (default one year ago)")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	since := time.Now().Add(-store.BackfillReach)
	if *from != "" {
		var err error
		if since, err = time.Parse(time.DateOnly, *from); err != nil || since.After(time.Now()) {
			fmt.Fprintf(env.stderr, "countersign backfill: --since %q is no date of the past, as 2025-07-01 is\n", *from)
			return errUsage
		}
	}
	return withOrg(ctx, store.Options{URL: *database}, *login, flags, func(_ store.OrgRow, n store.Tenant) error {
		id, err := followedRepository(ctx, n, *repo)
		if err != nil {
			return err
		}
		asked, err := n.AskBackfills(ctx, id, since.UTC())
		if err != nil {
			return err
		}
		return watchBackfills(ctx, n, id, asked, env)
	})
}

// followedRepository is the id of a repository of which a branch is followed; 0 for no name.
func followedRepository(ctx context.Context, n store.Tenant, name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	branches, err := n.Branches(ctx, 0)
	if err != nil {
		return 0, err
	}
	for _, b := range branches {
		if strings.EqualFold(b.Repository, name) {
			return b.RepoID, nil
		}
	}
	return 0, fmt.Errorf("no branch of %q is followed\n  hint: a branch is followed once a policy enrols it and something was pushed to it", name)
}

// watchBackfills says of each history how far it was read, once it is, until all are.
func watchBackfills(ctx context.Context, n store.Tenant, repoID int64, list []store.Backfill, env environment) (err error) {
	said := map[string]bool{}
	if open := slices.DeleteFunc(slices.Clone(list), func(b store.Backfill) bool { return !b.DoneAt.IsZero() }); len(open) > 0 {
		fmt.Fprintf(env.stderr, "The server reads the history of %d branches, if it runs. Each is listed when it is read.\n", len(open))
	}
	look := time.NewTicker(backfillLook)
	defer look.Stop()
	for {
		done, updates := 0, 0
		for _, b := range list {
			updates += b.Updates
			if b.DoneAt.IsZero() {
				continue
			}
			done++
			if key := fmt.Sprint(b.RepoID, " ", b.Ref); !said[key] {
				said[key] = true
				clearLine(env.stderr)
				fmt.Fprintln(env.stdout, backfillLine(b))
			}
		}
		if done == len(list) {
			if done == 0 {
				fmt.Fprintln(env.stdout, "No branch is followed, so there is nothing to read.")
			}
			return nil
		}
		drawLine(env.stderr, "%d of %d branches read, %d updates so far", done, len(list), updates)
		select {
		case <-ctx.Done():
			clearLine(env.stderr)
			return fmt.Errorf("%w: the server reads on; the same command shows how far it is", ctx.Err())
		case <-look.C:
		}
		if list, err = n.Backfills(ctx, repoID); err != nil {
			return err
		}
	}
}

func backfillLine(b store.Backfill) string {
	line := fmt.Sprintf("%s, branch %s: ", visible(b.Repository), visible(b.Ref))
	switch {
	case b.Why == "":
		line += "read from " + policy.WhenUTC(b.Since) + " on"
	case b.ReadFrom.IsZero():
		line += "NOT read. " + visible(b.Why)
	default:
		line += "read from " + policy.WhenUTC(b.ReadFrom) + " on, NOT from " + policy.WhenUTC(b.Since) + ". " + visible(b.Why)
	}
	return line + fmt.Sprintf(" (%d updates put on record)", b.Updates)
}
