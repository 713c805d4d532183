package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// notKnownHere is what only a server that received the deliveries knows, and what follows.
const notKnownHere = `
not known here, because only the server received it:
  which commit each review was given for, so no approval counts as fresh here
  who pushed which commit, so pushes count as missed and may ask for one approval more
  comments that called an agent, roles at the time of a review, and attested bypass lists
So this tells what to do and is not the decision, which is on the check run: approvals that count
there do not here, and somebody whose push or call only the server saw may be behind the change.
`

// explainPull prints how a live pull request would be judged, read with a person's token.
func explainPull(ctx context.Context, pull string, appID int64, env environment) error {
	repo, number, err := pullName(pull)
	if err != nil {
		return err
	}
	token, err := ownToken(env, "policy show --pr "+pull)
	if err != nil {
		return err
	}
	client, err := gh.PersonAt(gh.Settings{V3URL: env.getenv("GITHUB_V3_API_URL"), V4URL: env.getenv("GITHUB_V4_API_URL")}, token)
	if err != nil {
		return err
	}
	c, err := facts.Collect(ctx, client, facts.Request{
		Repo: repo, Number: number, App: policy.App{ID: appID}, Now: time.Now(),
		PushesOf:   func(context.Context, string) ([]policy.Push, error) { return nil, nil },
		CommentsOn: func(context.Context, int) ([]facts.Comment, error) { return nil, nil },
		RecordedAt: func(context.Context, string, time.Time) (*policy.Facts, string, error) { return nil, "", nil },
		Attested:   func(context.Context, int64) (*policy.AttestedBypass, error) { return nil, nil },
	})
	var outside *facts.NotEnrolledError
	var broken *facts.PolicyError
	switch {
	case errors.As(err, &outside):
		fmt.Fprintf(env.stdout, "%s is not enrolled: %s.\n", pull, outside.Why)
		return nil
	case errors.As(err, &broken):
		printProblems(env.stderr, broken.Layer.Repository+"/"+broken.Layer.Path, broken.Err)
		return fmt.Errorf("the policy that %s is judged by cannot be used", pull)
	case errors.Is(err, gh.ErrNotFound):
		return fmt.Errorf("%w\nhint: GitHub says the same of what the token may not see; a classic token needs the scopes repo and read:org", err)
	case err != nil:
		return err
	}
	d := policy.Evaluate(c.Policy, c.Catalogue, &c.Facts)
	fmt.Fprint(env.stdout, policy.Explain(d), notKnownHere)
	if appID == 0 {
		fmt.Fprintln(env.stdout, "Without --app-id the App's own check runs, and whether the branch requires its check, cannot be told.")
	}
	return nil
}

// pullName reads owner/name#number.
func pullName(s string) (gh.Repo, int, error) {
	name, digits, ok := strings.Cut(s, "#")
	owner, short, slash := strings.Cut(name, "/")
	number, err := strconv.Atoi(digits)
	if !ok || !slash || owner == "" || short == "" || strings.Contains(short, "/") || err != nil || number <= 0 {
		return gh.Repo{}, 0, fmt.Errorf("--pr %q is no pull request\nhint: write it as acme/shop#12", s)
	}
	return gh.Repo{Owner: owner, Name: short}, number, nil
}
