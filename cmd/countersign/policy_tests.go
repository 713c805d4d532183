package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/countersign/countersign/policy"
)

const policyTestHelp = `countersign policy test runs the tests of a policy.

usage: countersign policy test [--policy FILE] [TESTS…]

A test describes a change in a few words, and what is to be decided about it; what it leaves
out is as it should be. The real policy decides. Without TESTS it runs
` + policy.TestsPath + `. The exit code is 1 when a test fails.

example:
  tests:
    - name: what an agent wrote needs somebody who did not ask for it
      change: {author: copilot-cloud-agent, asked_by: alice, files: [prices/round.go]}
      reviews:
        - {by: alice}
      expect: {verdict: waiting, title: Needs 1 approval, rules: {human-review: pending}}

Authors are people, or names of the agent catalogue. A review says approves (left out), requests
changes or comments; it can have a role, teams, be stale, and have confirmed: false, where nobody
confirmed it in a session. validations give states by id, protection can be missing, and a change has
base, title, labels, lines, draft, files_known.`

func runPolicyTest(ctx context.Context, args []string, env environment) error {
	flags := newFlags("policy test", env.stderr, policyTestHelp)
	policyFile := flags.String("policy", policy.Path, "policy `file`")
	if err := parseSome(flags, args); err != nil {
		return err
	}
	p, err := usablePolicy(*policyFile, env.stdin, env.stderr)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w\nhint: name the policy with --policy, or run this where the repository begins", err)
	}
	if err != nil {
		return err
	}
	files := flags.Args()
	if len(files) == 0 {
		files = []string{policy.TestsPath}
	}
	ran, failed := 0, 0
	for _, name := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		cases, err := readTests(name, env)
		if err != nil {
			return err
		}
		for i := range cases {
			ran++
			if !printTest(env.stdout, name, &cases[i], p) {
				failed++
			}
		}
	}
	fmt.Fprintf(env.stdout, "%s passed, %d failed\n", countTests(ran-failed), failed)
	if failed > 0 {
		return fmt.Errorf("%d of %s of the policy failed\nhint: change the policy, or what the test says of the change and expects", failed, countTests(ran))
	}
	return nil
}

func countTests(n int) string {
	if n == 1 {
		return "1 test"
	}
	return fmt.Sprintf("%d tests", n)
}

func readTests(name string, env environment) ([]policy.TestCase, error) {
	src, err := readPolicy(name, env.stdin)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w\nhint: `countersign policy test -h` shows how a test is written", err)
	}
	if err != nil {
		return nil, err
	}
	cases, err := policy.ParseTests(src)
	var broken *policy.ParseError
	if errors.As(err, &broken) {
		printProblems(env.stderr, name, broken)
		return nil, fmt.Errorf("the tests in %s cannot be read", name)
	}
	return cases, err
}

// printTest runs a test and says how it went, and of one that failed which rules did not hold
// and why.
func printTest(w io.Writer, file string, c *policy.TestCase, p *policy.Policy) bool {
	d, failures := c.Run(p)
	if len(failures) == 0 {
		fmt.Fprintf(w, "ok    %s\n", c.Name)
		return true
	}
	fmt.Fprintf(w, "FAIL  %s (%s:%d)\n", c.Name, file, c.Line)
	for _, f := range failures {
		fmt.Fprintf(w, "        %s\n", f)
	}
	fmt.Fprintf(w, "        decided: %s, %q\n", d.Verdict, d.Title)
	for _, r := range d.Rules {
		if r.Outcome == policy.OutcomeFail || r.Outcome == policy.OutcomePending {
			fmt.Fprintf(w, "        %s %s: %s\n", r.Rule, r.Outcome, r.Reason)
		}
	}
	return false
}
