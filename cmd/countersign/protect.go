package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const protectHelp = `countersign protect makes the ruleset that requires our check, pinned to the App, with pull
requests and reviews, and without force pushes and deletion, on the branches that the policy
enforces.

usage: countersign protect --repo OWNER/NAME [--apply [--server URL]]
       countersign protect --org ORG [--apply]
       countersign protect attest    record who may bypass the rulesets of a branch, as an owner

It prints the ruleset as JSON to review, and what differs from what is there. With --apply it
writes it. A ruleset that is there is added to and never made laxer: its other rules and
branches stay, and who may bypass it. With --server the owner then attests who that is.

The token is your own and comes from GITHUB_TOKEN, or from the file that GITHUB_TOKEN_FILE names.
A classic one needs the scopes repo and, for an organisation or to attest, admin:org; a
fine-grained one Administration: write, and Members: read to attest.

example:
  GITHUB_TOKEN=$(gh auth token) countersign protect --repo acme/shop --app-id 12345 > ruleset.json
  GITHUB_TOKEN=$(gh auth token) countersign protect --repo acme/shop --app-id 12345 --apply --server https://countersign.example.com`

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
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return runProtectWrite(ctx, args, env)
	}
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
	printAttested(env.stdout, answer)
	return nil
}

func printAttested(w io.Writer, answer handlers.AttestAnswer) {
	fmt.Fprintf(w, "Recorded as %s. It stands until %s, or until one of these rulesets is changed:\n", answer.Owner, policy.WhenUTC(answer.Until))
	for _, a := range answer.Attested {
		fmt.Fprintf(w, "  %s (%s, id %d): %s\n", a.Ruleset, a.Source, a.RulesetID, mayBypass(a))
	}
	for _, name := range answer.NotShown {
		fmt.Fprintf(w, "Not recorded: GitHub does not show you who may bypass the ruleset %s.\n", name)
	}
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
