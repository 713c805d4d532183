package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/policy"
)

// permissionLine writes a token's permissions on one line, without metadata: GitHub adds that to every
// token.
func permissionLine(p map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if name != "metadata" {
			out = append(out, name+":"+p[name])
		}
	}
	return strings.Join(out, " ")
}

// Each kind of token that the server asks for was needed with all that it is good for, and whatever
// writes, or reads what was decided upon, is good for one repository.
func TestTokensAreGoodForWhatIsNeeded(t *testing.T) {
	t.Parallel()
	w, later := startWithIssues(t)
	installation := w.app.Install(w.org)
	w.org.Team("core", w.bob)
	repo := w.guardedRepo("scoped", strings.Replace(issuesPolicy, "review:\n", "review:\n  from: {teams: [acme/core]}\n", 1))
	w.org.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{"README.md": "# acme\n"}}).
		Push("main", w.carol, ghsim.Commit{Message: "register", Files: map[string]string{policy.RegisterPath: "version: 1\ndocuments: []\n"}})
	w.readyPull(t, repo, "reviewed")
	queued := w.queuedRepo("queued")
	pr := w.readyPull(t, queued, "one")
	mustDo(t, pr.Enqueue(w.dave))
	w.testGroup(queued, pr.GroupSHA(), "success")
	w.mustSettle(t)
	repo.Unprotect("main", w.carol)
	repo.Push("main", w.carol, ghsim.Commit{Message: "quick", Files: map[string]string{"a": "a\n"}})
	w.mustSettle(t)
	issue := repo.Issues()[0]
	issue.Comment(w.alice, "Reverted.")
	issue.Close(w.alice)
	later(25 * time.Hour) // everything is looked at again by itself, and the list of repositories read
	w.mustSettle(t)

	used := map[string]map[string]string{} // by what a token is good for
	for _, token := range installation.Tokens() {
		kind := "everywhere: "
		if token.Repositories != nil {
			kind = fmt.Sprintf("%d repository: ", len(token.Repositories))
		}
		kind += permissionLine(token.Permissions)
		if used[kind] == nil {
			used[kind] = map[string]string{}
		}
		maps.Copy(used[kind], token.Used)
	}
	want := []string{
		"1 repository: actions:read checks:read contents:read pull_requests:read statuses:read",
		"1 repository: checks:write",
		"1 repository: contents:read",
		"1 repository: contents:read merge_queues:read pull_requests:read",
		"1 repository: issues:write",
		"everywhere: ", // metadata
		"everywhere: administration:read contents:read issues:read pull_requests:read",
		"everywhere: checks:read contents:read pull_requests:read statuses:read",
		"everywhere: members:read",
		"everywhere: organization_administration:read",
	}
	if got := slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("tokens were asked for that are good for\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for kind, needed := range used {
		if _, granted, _ := strings.Cut(kind, ": "); permissionLine(needed) != granted {
			t.Errorf("%s: only %q was needed", kind, permissionLine(needed))
		}
	}
}

// What one repository's token is for ends at that repository, whatever name it is asked for by.
func TestATokenEndsAtItsRepository(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "scoped")
	at := gh.Repo{Owner: "acme", Name: "shop"}
	client := func(use gh.Use) *gh.Client {
		t.Helper()
		c, err := w.server.github.Installation(w.app.Install(w.org).ID(), use)
		mustDo(t, err)
		return c
	}
	if runs, err := client(gh.ToRead(w.shop.ID())).CheckRuns(t.Context(), at, pr.HeadSHA()); err != nil || len(runs) == 0 {
		t.Errorf("its own: %d check runs, %v", len(runs), err)
	}
	write := gh.CheckRunWrite{Name: "countersign", HeadSHA: pr.HeadSHA(), ExternalID: "x", Status: "in_progress", Title: "t", Summary: "s"}
	for name, ask := range map[string]func() error{
		"another's check runs": func() error {
			_, err := client(gh.ToRead(w.robots.ID())).CheckRuns(t.Context(), at, pr.HeadSHA())
			return err
		},
		"another's files": func() error {
			_, err := client(gh.ToReadFiles(w.robots.ID())).Content(t.Context(), at, policy.Path, "")
			return err
		},
		"a check run there": func() error {
			_, err := client(gh.ToPublish(w.robots.ID())).CreateCheckRun(t.Context(), at, write)
			return err
		},
	} {
		if err := ask(); !errors.Is(err, gh.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrNotFound", name, err)
		}
	}
	for name, ask := range map[string]func() error{
		"a check run by who reads": func() error {
			_, err := client(gh.ToRead(w.shop.ID())).CreateCheckRun(t.Context(), at, write)
			return err
		},
		"files by who publishes": func() error {
			_, err := client(gh.ToPublish(w.shop.ID())).Content(t.Context(), at, policy.Path, "")
			return err
		},
		"a repository that there is not": func() error {
			_, err := client(gh.ToRead(0)).CheckRuns(t.Context(), at, pr.HeadSHA())
			return err
		},
		"a permission that was not granted": func() error {
			return client(gh.ToKeepIssues(w.shop.ID())).Comment(t.Context(), at, pr.Number(), "hello")
		},
	} {
		if err := ask(); !errors.Is(err, gh.ErrForbidden) || errors.Is(err, gh.ErrNotFound) {
			t.Errorf("%s: got %v, want ErrForbidden", name, err)
		}
	}
}

// An organisation that has not accepted a permission is told so, and nothing is green meanwhile.
func TestAPermissionThatWasNotGranted(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.greenPull(t, "before")
	w.app.Install(w.org).Grant("statuses", "")
	w.restart(t) // the token from before lives for an hour
	pr := w.copilotPull("not granted")
	pr.Approve(w.bob)
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Status == "completed" })
	got := w.check(pr, "countersign")
	if got.Conclusion != "failure" || !strings.Contains(got.Summary, "lacks a permission") {
		t.Errorf("got %s:\n%s", got.Conclusion, got.Summary)
	}
	w.app.Install(w.org).Grant("statuses", "write")
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Conclusion == released })
}
