package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/handlers"
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
	if len(args) == 0 {
		fmt.Fprintln(env.stderr, protectHelp)
		return errUsage
	}
	switch args[0] {
	case "attest":
		return runProtectAttest(ctx, args[1:], env)
	case "-h", "-help", "--help", "help":
		fmt.Fprintln(env.stdout, protectHelp)
		return flag.ErrHelp
	}
	fmt.Fprintf(env.stderr, "countersign protect: there is no command %q\n\n%s\n", args[0], protectHelp)
	return errUsage
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
	address, err := attestAddress(*server)
	if err != nil {
		return err
	}
	token := env.getenv("GITHUB_TOKEN")
	if token == "" {
		return fmt.Errorf("GITHUB_TOKEN is not set\nhint: GITHUB_TOKEN=$(gh auth token) countersign protect attest …, as an owner of the organisation")
	}
	answer, err := postAttest(ctx, address, token, handlers.AttestRequest{Repository: *repo, Branch: *branch})
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(env.stdout).Encode(answer)
	}
	fmt.Fprintf(env.stdout, "Recorded as %s. It stands until %s, or until one of these rulesets is changed:\n", answer.Owner, answer.Until.Format("2006-01-02 15:04 UTC"))
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

// attestAddress refuses a server to which the token would travel unprotected.
func attestAddress(server string) (string, error) {
	u, err := url.Parse(strings.TrimSuffix(server, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return "", fmt.Errorf("--server %q is not an address\nhint: write https://HOST", server)
	}
	ip := net.ParseIP(u.Hostname())
	local := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !local) {
		return "", fmt.Errorf("--server %q would take your token without TLS\nhint: use https", server)
	}
	return u.String() + handlers.AttestPath, nil
}

// postAttest sends the request. It follows no redirect: the token is for this server.
func postAttest(ctx context.Context, address, token string, ask handlers.AttestRequest) (handlers.AttestAnswer, error) {
	var answer handlers.AttestAnswer
	body, err := json.Marshal(ask)
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		return answer, fmt.Errorf("ask the server: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return answer, fmt.Errorf("read the server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("the server answered %d: %s", resp.StatusCode, strings.TrimSpace(string(text)))
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("read the server's answer: %w", err)
	}
	return answer, nil
}
