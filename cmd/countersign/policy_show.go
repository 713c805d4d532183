package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/countersign/countersign/policy"
)

const policyShowHelp = `countersign policy show prints what a policy asks for, defaults included, and where each
value comes from.

usage: countersign policy show [--organisation FILE] [--repository NAME] [FILE]
       countersign policy show --pr OWNER/NAME#NUMBER [--app-id ID]

Without a file it shows ` + policy.Path + `. With --organisation it shows what holds when
that file is the organisation's policy: the floor that the repository's can only raise.
What the repository asks for in vain is listed with its place.

With --pr it reads a pull request from GitHub with your token (GITHUB_TOKEN), and explains how it
would be judged: of every rule what was looked at, what counted, what did not and why, and who
could satisfy it. What only the server knows is missing there, and it says what follows from that.

examples:
  countersign policy show
  GITHUB_TOKEN=$(gh auth token) countersign policy show --pr acme/shop#12 --app-id 1234
  countersign policy show --organisation ../.github/` + policy.Path + ` --repository acme/shop`

func runPolicyShow(ctx context.Context, args []string, env environment) error {
	stdin, stdout, stderr := env.stdin, env.stdout, env.stderr
	flags := newFlags("policy show", stderr, policyShowHelp)
	organisation := flags.String("organisation", "", "the organisation's policy `FILE`")
	repository := flags.String("repository", "organisation/repository", "`owner/name` of the repository that it is for")
	pull := flags.String("pr", "", "explain this pull request, `owner/name#number`")
	appID := flags.Int64("app-id", 0, "numeric `id` of the App whose check the branch requires, with --pr")
	none := flags.Bool("none", false, "the repository has no policy of its own")
	if err := parseSome(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 1 || *none && flags.NArg() > 0 {
		fmt.Fprintln(stderr, "countersign policy show: name one file, or --none")
		return errUsage
	}
	if *pull != "" {
		if flags.NArg() > 0 || *none || *organisation != "" {
			fmt.Fprintln(stderr, "countersign policy show: --pr reads the policies from GitHub and takes no file")
			return errUsage
		}
		return explainPull(ctx, *pull, *appID, env)
	}
	var org, own *policy.Policy
	var err error
	if *organisation != "" {
		if org, err = usablePolicy(*organisation, stdin, stderr); err != nil {
			return err
		}
	}
	if !*none {
		if own, err = usablePolicy(cmp.Or(flags.Arg(0), policy.Path), stdin, stderr); err != nil {
			return err
		}
	}
	if org == nil && own == nil {
		return errors.New("there is no policy to show\nhint: with --none, name the --organisation's")
	}
	showPolicy(stdout, org, own, *repository)
	return nil
}

// usablePolicy reads a policy file, or prints what is wrong with it.
func usablePolicy(name string, stdin io.Reader, stderr io.Writer) (*policy.Policy, error) {
	src, err := readPolicy(name, stdin)
	if err != nil {
		return nil, err
	}
	return parseUsable(name, src, stderr)
}

// parseUsable parses a policy file, or prints what is wrong with it.
func parseUsable(name string, src []byte, stderr io.Writer) (*policy.Policy, error) {
	p, err := policy.Parse(src)
	var broken *policy.ParseError
	if errors.As(err, &broken) {
		printProblems(stderr, name, broken)
		return nil, fmt.Errorf("%s cannot be used", name)
	}
	return p, err
}

// showPolicy lists the values of a policy with their origins, one a line.
func showPolicy(w io.Writer, organisation, own *policy.Policy, repository string) {
	merged, notes := policy.Merge(organisation, own, repository)
	origins := merged.Origins(organisation, own, repository)
	values := merged.Values()
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	enrolled := false
	for _, v := range values {
		fmt.Fprintf(table, "%s\t%s\t%s\n", v.Path, v.Text, origins[v.Path])
		enrolled = enrolled || strings.HasPrefix(v.Path, "branches[")
	}
	table.Flush()
	fmt.Fprintf(w, "\nProtected always, beside validation.protect: %s.\n", strings.Join(policy.AlwaysProtected(), ", "))
	if e := merged.Emergency; e != nil {
		fmt.Fprintf(w, "\nIn an emergency a member of %s releases a change here before it was reviewed. %s\n", e.Team, merged.EmergencyPath())
	}
	if !enrolled {
		fmt.Fprintln(w, "\nNo branch is enrolled: the organisation names this repository under repositories, or it needs a policy of its own.")
	}
	if len(notes) > 0 {
		fmt.Fprintln(w, "\nIgnored, because the organisation's policy is the floor:")
		for _, n := range notes {
			fmt.Fprintf(w, "  line %d, column %d: %s\n", n.Line, n.Column, n.Text())
		}
	}
}
