package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/countersign/countersign/policy"
)

const policyHelp = `countersign policy works on policy files (` + policy.Path + ` of a repository).

  countersign policy check    say whether files can be used, with every problem at once
  countersign policy schema   print the JSON Schema, for editors
  countersign policy show     print what a policy asks for, and where each value comes from
  countersign policy test     run the tests of a policy
  countersign policy simulate say what would have been decided with another policy

example: countersign policy check`

const policyCheckHelp = `countersign policy check says whether policy files can be used, and what they ask for.

usage: countersign policy check [FILE… | -]

Without a file it checks ` + policy.Path + `; "-" is standard input. Every problem is
reported at once, as FILE:LINE:COLUMN: what is wrong, with what to do on the next line.
The exit code is 1 when a file cannot be used.

examples:
  countersign policy check
  countersign policy check a.yml b.yml
  git show HEAD:` + policy.Path + ` | countersign policy check -`

const policySchemaHelp = `countersign policy schema prints the JSON Schema (draft 2020-12) of policy files.

Editors check and complete with it. It says less than "policy check" does.

example:
  countersign policy schema > countersign.schema.json
  and in the first line of the policy: # yaml-language-server: $schema=countersign.schema.json`

// runPolicy is the policy command.
func runPolicy(ctx context.Context, args []string, env environment) error {
	return runBelow(ctx, "policy", policyHelp, map[string]func(context.Context, []string, environment) error{
		"check": runPolicyCheck, "show": runPolicyShow, "test": runPolicyTest, "simulate": runPolicySimulate, "schema": runPolicySchema,
	}, args, env)
}

func runPolicySchema(_ context.Context, args []string, env environment) error {
	flags := newFlags("policy schema", env.stderr, policySchemaHelp)
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	_, err := env.stdout.Write(policy.Schema())
	return err
}

func runPolicyCheck(ctx context.Context, args []string, env environment) error {
	flags := newFlags("policy check", env.stderr, policyCheckHelp)
	if err := parseSome(flags, args); err != nil {
		return err
	}
	files := flags.Args()
	if len(files) == 0 {
		files = []string{policy.Path}
	}
	unusable := 0
	for _, name := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := checkPolicyFile(name, env.stdin, env.stdout, env.stderr)
		if err != nil {
			return err
		}
		if !ok {
			unusable++
		}
	}
	if unusable > 0 {
		return fmt.Errorf("%d of %d policy files cannot be used", unusable, len(files))
	}
	return nil
}

// checkPolicyFile checks one file. An error is one that stopped it from being read.
func checkPolicyFile(name string, stdin io.Reader, stdout, stderr io.Writer) (ok bool, err error) {
	src, err := readPolicy(name, stdin)
	if errors.Is(err, os.ErrNotExist) && name == policy.Path {
		return false, fmt.Errorf("%w\nhint: name the file, or run this where the repository begins", err)
	}
	if err != nil {
		return false, err
	}
	if name == "-" {
		name = "stdin"
	}
	p, err := policy.Parse(src)
	var broken *policy.ParseError
	switch {
	case errors.As(err, &broken):
		printProblems(stderr, name, broken)
		return false, nil
	case err != nil:
		return false, fmt.Errorf("%s: %w", name, err)
	}
	describePolicy(stdout, name, p)
	return true, nil
}

// readPolicy reads a file, or standard input, one byte further than a policy may have.
func readPolicy(name string, stdin io.Reader) ([]byte, error) {
	r := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	src, err := io.ReadAll(io.LimitReader(r, policy.MaxPolicyBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return src, nil
}

func printProblems(w io.Writer, name string, broken *policy.ParseError) {
	for _, p := range broken.Problems {
		at := name
		if p.Line > 0 {
			at = fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column)
		}
		fmt.Fprintf(w, "%s: %s\n", at, p.Text())
		if p.Hint != "" {
			fmt.Fprintf(w, "    hint: %s\n", p.Hint)
		}
	}
}

// describePolicy says what a policy asks for, so that somebody who wrote one can see
// whether it says what they meant.
func describePolicy(w io.Writer, name string, p *policy.Policy) {
	fmt.Fprintf(w, "%s: fine\n", name)
	fmt.Fprintf(w, "  %s on %s\n", p.Mode, strings.Join(p.Branches, ", "))
	for _, l := range p.Lanes {
		fmt.Fprintf(w, "  %s on %s, as the lane %s\n", l.Mode, strings.Join(l.Branches, ", "), l.Name)
	}
	r := p.Review
	fmt.Fprintf(w, "  approvals: agent %d, assisted %d, automation %d, human %d; %d more when nobody knows who asked the agent\n",
		*r.Agent.Approvals, *r.Assisted.Approvals, *r.Automation.Approvals, *r.Human.Approvals, *r.UnknownInitiator)
	describeAdded(w, p)
	if len(p.Validation.Required) == 0 {
		fmt.Fprintln(w, "  validations: those that the branch requires")
		return
	}
	var ids []string
	for _, v := range p.Validation.Required {
		ids = append(ids, v.ID)
	}
	fmt.Fprintf(w, "  validations: %s\n", strings.Join(ids, ", "))
}

// describeAdded says what is asked of some changes only, and who can release one without its
// review, a line each.
func describeAdded(w io.Writer, p *policy.Policy) {
	for i := range p.Paths {
		fmt.Fprintf(w, "  more approvals: %s\n", &p.Paths[i])
	}
	for _, rule := range p.Rules {
		fmt.Fprintf(w, "  rule %s (%s): %s\n", rule.ID, rule.Control, rule.Message)
	}
	if e := p.Emergency; e != nil {
		fmt.Fprintf(w, "  emergency: by %s, %s. %s\n", e.Team, declaredBy(e.Via), p.EmergencyPath())
	}
}

// declaredBy says which ways of declaring an emergency are open.
func declaredBy(via []string) string {
	var ways []string
	if slices.Contains(via, policy.ViaSession) {
		ways = append(ways, "on the page of the pull request")
	}
	if slices.Contains(via, policy.ViaComment) {
		ways = append(ways, "with a comment")
	}
	return strings.Join(ways, " or ")
}
