package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const protectHelp = `countersign protect is about what protects branches.

  countersign protect attest    record who may bypass the rulesets of a branch, as an owner

example: countersign protect attest --server https://countersign.example.com --repo acme/shop`

const protectAttestHelp = `countersign protect attest records who may bypass the rulesets of a branch.

GitHub shows a ruleset's bypass list only to those who may edit it, and the App may not. An
owner of the organisation lets the server read it once, with their own token: the server asks
GitHub who the token is of, that this is an owner, and who may bypass each ruleset of the
branch, records that in the organisation's log, and forgets the token. It stands until a
ruleset is changed, and for 30 days.

The token comes from GITHUB_TOKEN and is sent over TLS to the server that you name, and to
nobody else. A classic token needs the scopes repo and admin:org, a fine-grained one
Administration: write and Members: read; a short expiry is enough.

example:
  GITHUB_TOKEN=$(gh auth token) countersign protect attest --server https://countersign.example.com --repo acme/shop --branch main`

func runProtect(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "protect", protectHelp, map[string]func(context.Context, []string, environment) error{"attest": runProtectAttest}, args, env)
}

func runProtectAttest(ctx context.Context, args []string, env environment) error {
	flags := newFlags("protect attest", env.stderr, protectAttestHelp)
	server := flags.String("server", "", "`URL` of the Countersign server")
	repo := flags.String("repo", "", "repository, `owner/name`")
	branch := flags.String("branch", "", "`branch` that is protected (default: the repository's default branch)")
	asJSON := flags.Bool("json", false, "print what was recorded as JSON")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *server == "" || *repo == "" {
		fmt.Fprintln(env.stderr, "countersign protect attest: --server and --repo are needed")
		flags.Usage()
		return errUsage
	}
	if owner, name, ok := strings.Cut(*repo, "/"); !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return fmt.Errorf("--repo %q is no repository\nhint: write it as acme/shop", *repo)
	}
	address, err := serverAddress(*server)
	if err != nil {
		return err
	}
	token, err := ownToken(env, "protect attest …, as an owner of the organisation")
	if err != nil {
		return err
	}
	var answer handlers.AttestAnswer
	if err := postAs(ctx, address+handlers.AttestPath, token, handlers.AttestRequest{Repository: *repo, Branch: *branch}, &answer); err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(env.stdout).Encode(answer)
	}
	fmt.Fprintf(env.stdout, "Recorded as %s. It stands until %s, or until one of these rulesets is changed:\n", answer.Owner, policy.WhenUTC(answer.Until))
	for _, a := range answer.Attested {
		fmt.Fprintf(env.stdout, "  %s (%s, id %d): %s\n", a.Ruleset, a.Source, a.RulesetID, mayBypass(a))
	}
	for _, name := range answer.NotShown {
		fmt.Fprintf(env.stdout, "Not recorded: GitHub does not show you who may bypass the ruleset %s.\n", name)
	}
	return nil
}

// mayBypass says who may bypass a ruleset.
func mayBypass(a store.Attestation) string {
	if len(a.Actors) == 0 {
		return "nobody may bypass it"
	}
	var who []string
	for _, actor := range a.Actors {
		who = append(who, fmt.Sprintf("%s %d (%s)", actor.Type, actor.ID, actor.Mode))
	}
	return "may be bypassed by " + strings.Join(who, ", ")
}
