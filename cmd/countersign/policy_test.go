package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func policyCommand(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs strings.Builder
	err = runPolicy(t.Context(), args, environment{stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs})
	return out.String(), errs.String(), err
}

func TestPolicyCheckSaysWhatAPolicyAsksFor(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := policyCommand(t, "version: 1\nmode: enforce\nbranches: [main]\nlanes: [{name: lab, branches: [dev], mode: audit}]\n", "check", "-")
	if err != nil || stderr != "" {
		t.Fatalf("%v\n%s", err, stderr)
	}
	const want = `stdin: fine
  enforce on main
  audit on dev, as the lane lab
  approvals: agent 1, assisted 1, automation 1, human 1; 1 more when nobody knows who asked the agent
  validations: those that the branch requires
`
	if stdout != want {
		t.Errorf("got:\n%s\nwant:\n%s", stdout, want)
	}
}

func TestPolicyCheckSaysWhatIsAskedOfSomeChanges(t *testing.T) {
	t.Parallel()
	stdout, stderr, err := policyCommand(t, `version: 1
mode: enforce
branches: [main]
paths:
  - {match: ["payments/**"], larger_than: 10, approvals: 2, teams: [acme/payments]}
  - {labels: [security], branches: ["release/*"], teams: [acme/a, acme/b], from_teams: 2}
rules:
  - {id: no-friends, require: "!authorship.agent", message: No agents here}
`, "check", "-")
	if err != nil || stderr != "" {
		t.Fatalf("%v\n%s", err, stderr)
	}
	const want = `  more approvals: 2 in all, 1 of acme/payments, where payments/** changes and more than 10 lines change
  more approvals: 2 in all, 2 of acme/a or acme/b, where the label is security and the branch is release/*
  rule no-friends (CC8.1): No agents here
`
	if !strings.Contains(stdout, want) {
		t.Errorf("got:\n%s\nwant within:\n%s", stdout, want)
	}
}

func TestPolicyCheckReportsEveryProblemOfEveryFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.yml"), filepath.Join(dir, "bad.yml")
	for name, src := range map[string]string{
		good: "version: 1\nmode: audit\nbranches: [main]\n",
		bad:  "version: 1\nmode: enforced\nbranch: [main]\n",
	} {
		if err := os.WriteFile(name, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, err := policyCommand(t, "", "check", good, bad)
	if err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("error %v, want 1 of 2 files", err)
	}
	if !strings.HasPrefix(stdout, good+": fine\n") {
		t.Errorf("stdout:\n%s", stdout)
	}
	for _, want := range []string{
		bad + ":2:7: mode \"enforced\" is not allowed\n    hint: did you mean \"enforce\"?",
		bad + ":3:1: branch is not a key of a policy\n",
		bad + ":1:1: branches is missing\n",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
}

func TestPolicyCheckOfAMissingFile(t *testing.T) {
	t.Chdir(t.TempDir())
	_, _, err := policyCommand(t, "", "check")
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("got %v, want a missing file and a hint", err)
	}
}

func TestPolicyCheckOfALargeFile(t *testing.T) {
	t.Parallel()
	_, stderr, err := policyCommand(t, strings.Repeat("#", 1<<20), "check", "-")
	if err == nil || !strings.Contains(stderr, "larger than 65536 bytes") {
		t.Errorf("%v\n%s", err, stderr)
	}
}

func TestPolicyHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-h"}, {"check", "-h"}, {"schema", "-h"}} {
		stdout, stderr, err := policyCommand(t, "", args...)
		if !errors.Is(err, flag.ErrHelp) || !strings.Contains(stdout+stderr, "example") {
			t.Errorf("%v: %v, and no example in:\n%s%s", args, err, stdout, stderr)
		}
	}
	for _, args := range [][]string{{}, {"chek"}, {"check", "-x"}, {"schema", "x"}} {
		if _, stderr, err := policyCommand(t, "", args...); !errors.Is(err, errUsage) || stderr == "" {
			t.Errorf("%v: got %v, want a usage error", args, err)
		}
	}
}

func TestPolicySchema(t *testing.T) {
	t.Parallel()
	stdout, _, err := policyCommand(t, "", "schema")
	if err != nil || !strings.Contains(stdout, "https://json-schema.org/draft/2020-12/schema") {
		t.Errorf("%v\n%.200s", err, stdout)
	}
}
