package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/countersign/countersign/corroborate"
	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/gh"
)

const corroborateHelp = `countersign corroborate asks GitHub again what a bundle's records say of the sampled changes,
and of those that something was found about: that the commit is in the branch, who wrote the
pull request, that it was merged and at which head, its reviews, and the conclusions of its
checks. The bundle is verified first.

usage: countersign corroborate [flags] BUNDLE

It reads with your own token, which comes from GITHUB_TOKEN and goes to GitHub alone; to read the
repositories is enough. For GitHub Enterprise Server set GITHUB_V3_API_URL and GITHUB_V4_API_URL.
What GitHub has forgotten, or does not show you, is "no longer there". It exits with 1 when
something differs.

example:
  GITHUB_TOKEN=$(gh auth token) countersign corroborate --key countersign.pub acme.zip`

// errDiffers is a bundle that GitHub does not agree with; what differs has been printed.
var errDiffers = errors.New("GitHub does not agree with the bundle")

func runCorroborate(ctx context.Context, args []string, env environment) error {
	flags := newFlags("corroborate", env.stderr, corroborateHelp)
	keyFile := flags.String("key", "", "`file` with the log's public key; without it the key in the bundle is used")
	asJSON := flags.Bool("json", false, "print one JSON object per change")
	if err := parseSome(flags, args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		fmt.Fprintln(env.stderr, "countersign corroborate: name one bundle")
		return errUsage
	}
	token, err := ownToken(env, "corroborate …")
	if err != nil {
		return err
	}
	client, err := gh.PersonAt(gh.Settings{V3URL: env.getenv("GITHUB_V3_API_URL"), V4URL: env.getenv("GITHUB_V4_API_URL")}, token)
	if err != nil {
		return err
	}
	changes, err := testedChanges(flags.Arg(0), *keyFile)
	if err != nil {
		return err
	}
	return askAll(ctx, client, changes, *asJSON, env)
}

// testedChanges verifies a bundle and returns the changes that have pages in it.
func testedChanges(bundle, keyFile string) (out []evidence.TestedChange, err error) {
	trust := evidence.Trust{Tested: func(t evidence.TestedChange) error { out = append(out, t); return nil }}
	if keyFile != "" {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return nil, fmt.Errorf("the log's public key: %w", err)
		}
		trust.Key = string(key)
	}
	in, err := os.Open(bundle)
	if err != nil {
		return nil, fmt.Errorf("the bundle: %w", err)
	}
	defer in.Close()
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("the bundle: %w", err)
	}
	if _, err := evidence.Verify(in, size, trust); err != nil {
		return nil, fmt.Errorf("the bundle does not hold: %w", err)
	}
	return out, nil
}

func askAll(ctx context.Context, client *gh.Client, changes []evidence.TestedChange, asJSON bool, env environment) error {
	counts, show := map[string]int{}, progress(env.stderr, "changes that GitHub was asked about")
	for i, t := range changes {
		c, err := corroborate.Ask(ctx, client, t)
		if err != nil {
			return err
		}
		counts[c.Answer()]++
		show(int64(i+1), int64(len(changes)))
		if err := printCorroborated(env.stdout, c, asJSON); err != nil {
			return err
		}
	}
	if !asJSON {
		fmt.Fprintf(env.stdout, "%d changes: %d agree, %d differ, of %d something is no longer there\n", len(changes), counts[corroborate.Agrees], counts[corroborate.Differs], counts[corroborate.Gone])
	}
	if counts[corroborate.Differs] > 0 {
		return errDiffers
	}
	return nil
}

func printCorroborated(w io.Writer, c corroborate.Change, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(struct {
			corroborate.Change
			Answer string `json:"answer"`
		}{c, c.Answer()})
	}
	what := fmt.Sprintf("%s#%d", c.Repository, c.Number)
	if c.Number == 0 {
		what = fmt.Sprintf("%s at %s", c.Repository, c.Commit)
	}
	fmt.Fprintf(w, "%-16s %s (%d parts)\n", c.Answer(), visible(what), len(c.Parts))
	for _, p := range c.Parts {
		if p.Answer != corroborate.Agrees {
			fmt.Fprintf(w, "  %s: %s: %s\n", visible(p.What), p.Answer, visible(p.Why))
		}
	}
	return nil
}
