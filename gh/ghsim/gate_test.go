package ghsim

import (
	"errors"
	"strings"
	"testing"
)

// What satisfies a required check is GitHub's decision, and wider than one would like.
func TestWhatSatisfiesARequiredCheck(t *testing.T) {
	for _, c := range []struct {
		conclusion string // "" is in progress
		opens      bool
	}{
		{"success", true}, {"neutral", true}, {"skipped", true}, {"failure", false}, {"action_required", false},
		{"cancelled", false}, {"timed_out", false}, {"", false},
	} {
		t.Run("is "+c.conclusion, func(t *testing.T) {
			w := newWorld(t)
			w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Checks: []Required{{"gate", w.us}}})
			pr := w.change("feature")
			if got := pr.Merge(w.bob, "merge"); !errors.Is(got, errBlocked) {
				t.Fatalf("without any run: got %v, want blocked", got)
			}
			w.repo.PostCheckRun(w.us, pr.HeadSHA(), "gate", c.conclusion)
			if got := pr.Merge(w.bob, "merge"); (got == nil) != c.opens {
				t.Errorf("got %v, want open: %v", got, c.opens)
			}
		})
	}
}

func TestAPinnedCheckCountsFromItsAppOnly(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Checks: []Required{{"gate", w.us}}})
	pr := w.change("feature")
	w.repo.PostCheckRun(w.devin, pr.HeadSHA(), "gate", "success")
	w.repo.PostStatus(w.alice, pr.HeadSHA(), "gate", "success")
	if err := pr.Merge(w.bob, "merge"); err == nil {
		t.Fatal("another App's run and a person's status opened a pinned check")
	}
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Checks: []Required{{"gate", nil}}})
	if err := pr.Merge(w.bob, "merge"); err != nil {
		t.Errorf("not pinned, anybody's run counts: got %v", err)
	}
}

func TestACheckRunBelongsToTheSHA(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Checks: []Required{{"gate", w.us}}})
	w.repo.Push("lax", w.bob)
	w.repo.Push("feature", w.devin, Commit{Message: "work", Files: map[string]string{"a": "1\n"}})
	easy := w.repo.OpenPullRequest(PullSpec{Title: "easy", Head: "feature", Base: "lax", Author: w.devin})
	w.repo.PostCheckRun(w.us, easy.HeadSHA(), "gate", "success")
	second := w.repo.OpenPullRequest(PullSpec{Title: "second", Head: "feature", Author: w.devin})
	if err := second.Merge(w.alice, "merge"); err != nil {
		t.Errorf("the green run of one pull request must serve the other: %v", err)
	}
}

func TestAForgedActionsRunSatisfiesThePinAndHasNoJob(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Checks: []Required{{"test", w.Actions()}}})
	pr := w.change("feature")
	honest := w.repo.RunWorkflow(pr.HeadSHA(), ".github/workflows/ci.yml", "pull_request", Job{Name: "test", Conclusion: "failure"})
	forged := w.repo.ForgeActionsRun(pr.HeadSHA(), "test", "success")
	if err := pr.Merge(w.alice, "merge"); err != nil {
		t.Errorf("GitHub takes the forged run: got %v", err)
	}
	var runs struct {
		CheckRuns []struct {
			ID         int64 `json:"id"`
			CheckSuite struct {
				ID int64 `json:"id"`
			} `json:"check_suite"`
			App struct {
				ID int64 `json:"id"`
			} `json:"app"`
		} `json:"check_runs"`
	}
	w.read("/repos/acme/shop/commits/"+pr.HeadSHA()+"/check-runs?filter=all&check_name=test", &runs)
	if len(runs.CheckRuns) != 2 || runs.CheckRuns[0].ID != forged.ID() || runs.CheckRuns[0].CheckSuite != runs.CheckRuns[1].CheckSuite || runs.CheckRuns[0].App.ID != 15368 {
		t.Errorf("got %+v, want the forged run first, in the honest suite", runs.CheckRuns)
	}
	var jobs struct {
		Jobs []struct {
			ID       int64  `json:"id"`
			RunnerID *int64 `json:"runner_id"`
			Steps    []any  `json:"steps"`
		} `json:"jobs"`
	}
	w.read("/repos/acme/shop/actions/runs/"+decimal(honest.ID())+"/jobs?filter=all", &jobs)
	if len(jobs.Jobs) != 1 || jobs.Jobs[0].ID != runs.CheckRuns[1].ID || jobs.Jobs[0].RunnerID == nil || len(jobs.Jobs[0].Steps) == 0 {
		t.Errorf("got %+v, want only the honest job, with the id of its check run", jobs.Jobs)
	}
}

func TestReviews(t *testing.T) {
	w := newWorld(t)
	outsider := w.User("mallory")
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Approvals: 1, DismissStale: true})
	pr := w.change("feature")
	if _, err := pr.TryReview(ReviewSpec{By: w.devin, State: "APPROVED"}); err == nil {
		t.Error("an author approved their own pull request")
	}
	pr.Approve(outsider)
	if pr.Merge(w.alice, "merge") == nil {
		t.Fatal("an approval without write access counted")
	}
	bot := w.App(AppSpec{Slug: "reviewer", Permissions: map[string]string{"pull_requests": "write"}})
	bot.Install(w.org)
	approval := pr.Approve(bot)
	if got := pr.Blockers(); len(got) != 0 {
		t.Errorf("a bot's approval counts since 2026-09: got %v", got)
	}
	pr.Push(w.devin, Commit{Message: "more", Files: map[string]string{"more.go": "package main\n"}})
	if approval.State() != "DISMISSED" || len(pr.Blockers()) == 0 {
		t.Errorf("after a push: review %s, blockers %v, want dismissed and blocked", approval.State(), pr.Blockers())
	}
	pr.Approve(w.alice)
	objection := pr.RequestChanges(w.bob, "no")
	if got := strings.Join(pr.Blockers(), ";"); !strings.Contains(got, "requested changes") {
		t.Errorf("got %q, want the requested changes", got)
	}
	objection.Dismiss(w.bob, "fine after all")
	if err := pr.Merge(w.alice, "squash"); err != nil {
		t.Error(err)
	}
}

func TestLastPushApproval(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Approvals: 1, LastPushApproval: true})
	pr := w.change("feature")
	pr.Push(w.alice, Commit{Message: "fix", Files: map[string]string{"fix.go": "package main\n"}})
	pr.Approve(w.alice)
	if len(pr.Blockers()) == 0 {
		t.Error("the approval of the last pusher counted alone")
	}
	pr.Approve(w.bob)
	if got := pr.Blockers(); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}

func TestReviewsAreRepointed(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{Approvals: 1, DismissStale: true})
	pr := w.change("feature")
	v := pr.Approve(w.alice)
	first := pr.HeadSHA()
	w.repo.Push("main", w.bob, Commit{Message: "elsewhere", Files: map[string]string{"other.go": "package main\n"}})
	if err := pr.UpdateBranch(w.alice); err != nil {
		t.Fatal(err)
	}
	if v.CommitID() != pr.HeadSHA() || v.CommitID() == first || v.State() != "APPROVED" {
		t.Errorf("after a base merge: review on %s (%s), head %s", v.CommitID(), v.State(), pr.HeadSHA())
	}
	if _, err := pr.Rebase(w.devin); err != nil {
		t.Fatal(err)
	}
	if v.CommitID() != pr.HeadSHA() || v.State() != "APPROVED" {
		t.Errorf("after a rebase with the same patch: review on %s (%s), head %s", v.CommitID(), v.State(), pr.HeadSHA())
	}
	pr.Push(w.devin, Commit{Message: "real change", Files: map[string]string{"feature.go": "package other\n"}})
	if v.CommitID() == pr.HeadSHA() || v.State() != "DISMISSED" {
		t.Errorf("after a real change: review on the head (%s)", v.State())
	}
}

func TestStackedPullRequestsAreJudgedAgainstTheStacksBase(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true, Approvals: 1})
	bottom := w.change("one")
	w.repo.ForcePush("two", bottom.HeadSHA(), w.devin, Commit{Message: "two", Files: map[string]string{"two.go": "package main\n"}})
	top := w.repo.OpenPullRequest(PullSpec{Title: "two", Head: "two", Base: "one", Author: w.devin})
	if got := top.Blockers(); len(got) != 0 {
		t.Fatalf("an unprotected base blocks: %v", got)
	}
	w.repo.Stack(bottom, top)
	if got := top.Blockers(); len(got) != 1 {
		t.Errorf("got %v, want the review that main demands", got)
	}
	var pull struct {
		Stack struct {
			Base           struct{ Ref string } `json:"base"`
			Position, Size int
		} `json:"stack"`
	}
	w.read("/repos/acme/shop/pulls/"+decimal(top.Number()), &pull)
	if pull.Stack.Base.Ref != "main" || pull.Stack.Position != 2 || pull.Stack.Size != 2 {
		t.Errorf("got %+v", pull.Stack)
	}
}

func TestRulesets(t *testing.T) {
	w := newWorld(t)
	set := w.repo.Ruleset(w.bob, RulesetSpec{Name: "main", Enforcement: "evaluate", Rules: []Rule{RulePullRequest(1), RuleNoForcePush(), RuleNoDeletion()},
		Bypass: []Bypass{{5, "RepositoryRole", "pull_request"}}})
	w.org.Ruleset(w.bob, RulesetSpec{Name: "releases", Include: []string{"refs/heads/release/**"}, Exclude: []string{"refs/heads/release/old"}, Rules: []Rule{RuleNoDeletion()}})
	pr := w.change("feature")
	if got := pr.Blockers(); len(got) != 0 {
		t.Errorf("a ruleset that is only evaluated blocks: %v", got)
	}
	set.Enforce(w.bob, "active")
	if got := pr.Blockers(); len(got) != 1 {
		t.Errorf("got %v, want one approval missing", got)
	}
	if _, err := w.repo.TryPush("main", w.bob, Commit{Message: "direct", Files: map[string]string{"x": "1\n"}}); err == nil {
		t.Error("a bypass for pull requests let a direct push through")
	}
	if err := pr.Merge(w.bob, "merge"); err != nil {
		t.Errorf("bob may bypass with a pull request: %v", err)
	}
	for branch, want := range map[string]int{"main": 3, "release/1/2": 1, "release/old": 0, "dev": 0} {
		var rules []struct{ Type string }
		w.read("/repos/acme/shop/rules/branches/"+branch, &rules)
		if len(rules) != want {
			t.Errorf("%s: got %d rules, want %d", branch, len(rules), want)
		}
	}
}

func TestTheBypassListIsHidden(t *testing.T) {
	w := newWorld(t)
	set := w.repo.Ruleset(w.bob, RulesetSpec{Name: "main", Rules: []Rule{RuleNoDeletion()}, Bypass: []Bypass{{0, "OrganizationAdmin", "always"}}})
	path := "/repos/acme/shop/rulesets/" + decimal(set.ID())
	var body map[string]any
	w.read(path, &body)
	if list, there := body["bypass_actors"]; there {
		t.Errorf("administration: read sees the bypass list: %v", list)
	}
	body = nil
	w.do("GET", path, w.bob.Token(), nil).into(t, &body)
	if list, _ := body["bypass_actors"].([]any); len(list) != 1 {
		t.Errorf("an administrator sees %v, want one actor", body["bypass_actors"])
	}
}

func TestMergeMethodsAndHowAMergeIsNoticed(t *testing.T) {
	for _, method := range []string{"merge", "squash", "rebase"} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t)
			pr := w.change("feature")
			w.repo.Push("main", w.bob, Commit{Message: "base moves", Files: map[string]string{"base.go": "package main\n"}})
			if err := pr.Merge(w.alice, method); err != nil {
				t.Fatal(err)
			}
			sha, merged := pr.Merged()
			if !merged || w.repo.Head("main") != sha {
				t.Errorf("merged %v as %s, main is at %s", merged, sha, w.repo.Head("main"))
			}
			for _, file := range []string{"feature.go", "base.go", "main.go"} {
				if _, ok := w.repo.File("main", file); !ok {
					t.Errorf("%s is not on main", file)
				}
			}
			var activity []struct {
				ActivityType string `json:"activity_type"`
			}
			w.read("/repos/acme/shop/activity?ref=main", &activity)
			if activity[0].ActivityType != "pr_merge" {
				t.Errorf("got activity %q", activity[0].ActivityType)
			}
		})
	}
	t.Run("direct push of the head", func(t *testing.T) {
		w := newWorld(t)
		pr := w.change("feature")
		if err := w.repo.PushTo("main", pr.HeadSHA(), w.bob); err != nil {
			t.Fatal(err)
		}
		if _, merged := pr.Merged(); !merged {
			t.Error("the pull request is not marked as merged")
		}
		var activity []struct {
			ActivityType string `json:"activity_type"`
		}
		w.read("/repos/acme/shop/activity?ref=refs/heads/main", &activity)
		if activity[0].ActivityType != "push" {
			t.Errorf("got activity %q, want push", activity[0].ActivityType)
		}
	})
}

func TestConflictsAndUpToDate(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{Strict: true, Checks: []Required{{"ci", nil}}})
	pr := w.change("feature")
	w.repo.PostCheckRun(w.devin, pr.HeadSHA(), "ci", "success")
	w.repo.Push("main", w.bob, Commit{Message: "same file", Files: map[string]string{"feature.go": "package x\n"}})
	if got := pr.MergeState(); got != "DIRTY" {
		t.Errorf("got %s, want DIRTY", got)
	}
	w.repo.Push("main", w.bob, Commit{Message: "away again", Delete: []string{"feature.go"}})
	if got := pr.MergeState(); got != "BEHIND" {
		t.Errorf("got %s, want BEHIND", got)
	}
}

func TestMergeQueue(t *testing.T) {
	w := newWorld(t)
	w.repo.Ruleset(w.bob, RulesetSpec{Name: "queue", Rules: []Rule{RuleMergeQueue(), RuleChecks(false, Required{"ci", nil})}})
	one, two := w.change("one"), w.change("two")
	for _, pr := range []*PullRequest{one, two} {
		w.repo.PostCheckRun(w.devin, pr.HeadSHA(), "ci", "success")
		if err := pr.Merge(w.alice, "merge"); err == nil {
			t.Fatal("merged past the queue")
		}
		if err := pr.Enqueue(w.alice); err != nil {
			t.Fatal(err)
		}
	}
	w.repo.PostCheckRun(w.devin, two.GroupSHA(), "ci", "success")
	if _, merged := two.Merged(); merged {
		t.Error("the second group was merged before the first")
	}
	w.repo.PostCheckRun(w.devin, one.GroupSHA(), "ci", "success")
	for _, pr := range []*PullRequest{one, two} {
		if _, merged := pr.Merged(); !merged {
			t.Errorf("#%d is not merged", pr.Number())
		}
	}
	three := w.change("three")
	w.repo.PostCheckRun(w.devin, three.HeadSHA(), "ci", "success")
	if err := three.Enqueue(w.alice); err != nil {
		t.Fatal(err)
	}
	w.repo.PostCheckRun(w.devin, three.GroupSHA(), "ci", "failure")
	if three.GroupSHA() != "" {
		t.Error("a failed group stays in the queue")
	}
}

func TestAutoMerge(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{Checks: []Required{{"gate", w.us}}})
	pr := w.change("feature")
	pr.EnableAutoMerge(w.alice, "squash")
	run := w.repo.PostCheckRun(w.us, pr.HeadSHA(), "gate", "")
	if _, merged := pr.Merged(); merged {
		t.Fatal("merged too early")
	}
	run.Complete("success")
	if _, merged := pr.Merged(); !merged {
		t.Error("auto-merge did not happen")
	}
}

func TestDirectPushes(t *testing.T) {
	w := newWorld(t)
	w.repo.Protect("main", w.bob, Protection{Approvals: 1})
	direct := Commit{Message: "direct", Files: map[string]string{"x": "1\n"}}
	if _, err := w.repo.TryPush("main", w.alice, direct); !errors.Is(err, errBlocked) {
		t.Errorf("got %v, want blocked", err)
	}
	if _, err := w.repo.TryPush("main", w.bob, direct); err != nil {
		t.Errorf("administrators are not bound: %v", err)
	}
	w.repo.Protect("main", w.bob, Protection{EnforceAdmins: true})
	if _, err := w.repo.TryForcePush("main", w.change("x").HeadSHA(), w.bob); err != nil {
		t.Errorf("a fast-forward is no force push: %v", err)
	}
	first := w.repo.r.git.commits[w.repo.Head("main")].parents[0]
	if _, err := w.repo.TryForcePush("main", first, w.bob); !errors.Is(err, errBlocked) {
		t.Errorf("got %v, want force pushes refused", err)
	}
}

func TestFnmatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"release/*", "release/1", true}, {"release/*", "release/1/2", false}, {"release/**", "release/1/2", true},
		{"**/fix", "a/b/fix", true}, {"*", "main", true}, {"*", "a/b", false}, {"rel[0-9]", "rel7", true}, {"[", "[", false},
	} {
		if got := fnmatch(c.pattern, c.name); got != c.want {
			t.Errorf("fnmatch(%q, %q): got %v", c.pattern, c.name, got)
		}
	}
}
