package policy

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
)

// lookedBackOn are the facts of a change that was merged and of which no delivery ever came.
func lookedBackOn(t *testing.T, p *Policy, c TestCase) (*Facts, time.Time) {
	t.Helper()
	f := c.facts(p, Builtin())
	merged := f.EvaluatedAt
	f.EvaluatedAt, f.CollectedAt = merged.AddDate(0, 2, 0), merged.AddDate(0, 2, 0)
	f.Change.State, f.Pushes = "merged", nil
	for i := range f.Reviews.Items {
		f.Reviews.Items[i].Received = nil
	}
	for i := range f.Validations.Items {
		f.Validations.Items[i].CompletedAt = merged.Add(-time.Minute)
	}
	return f, merged
}

func TestInHindsight(t *testing.T) {
	p, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main]\nreview: {from: {teams: [acme/core]}, human: {approvals: 1}}\nvalidation:\n  required:\n    - {id: tests, kind: test, app: github-actions, workflow: .github/workflows/ci.yml, job: test}\n"))
	if err != nil {
		t.Fatal(err)
	}
	by := func(says string) TestCase {
		return TestCase{Reviews: []TestReview{{By: "bob", Says: says, Role: "write", Teams: []string{"acme/core"}}}, Validations: map[string]string{"tests": "success"}, Unprotected: true}
	}
	approved := by(saysApproves)
	stale := by(saysApproves)
	stale.Reviews[0].Stale = true
	for name, tt := range map[string]struct {
		test  TestCase
		alter func(f *Facts, merged time.Time)
		want  HindsightAnswer
		rules []string
	}{
		"approved and tested, on a branch that is not protected today": {approved, nil, HindsightNothing, nil},
		"nobody approved":          {TestCase{Validations: approved.Validations}, nil, HindsightHeld, []string{RuleHumanReview, RuleFreshReview}},
		"approved by an author":    {TestCase{Author: "bob", Reviews: approved.Reviews, Validations: approved.Validations}, nil, HindsightHeld, []string{RuleHumanReview, RuleFreshReview}},
		"changes requested":        {by(saysRequests), nil, HindsightHeld, []string{RuleHumanReview, RuleFreshReview}},
		"approved an older commit": {stale, nil, HindsightUnknown, []string{RuleFreshReview}},
		"approved after the merge": {approved, func(f *Facts, merged time.Time) { f.Reviews.Items[0].SubmittedAt = merged.Add(time.Hour) }, HindsightHeld, []string{RuleHumanReview, RuleFreshReview}},
		"changes requested after the merge": {by(saysApproves), func(f *Facts, merged time.Time) {
			late := f.Reviews.Items[0]
			late.ID, late.State, late.SubmittedAt = 999, reviewChangesRequested, merged.Add(time.Hour)
			f.Reviews.Items = append(f.Reviews.Items, late)
		}, HindsightNothing, nil},
		"the approval was dismissed, nobody knows when": {approved, func(f *Facts, _ time.Time) {
			f.Reviews.Items[0].State, f.Reviews.Items[0].DismissedState = reviewDismissed, reviewApproved
		}, HindsightUnknown, []string{RuleHumanReview, RuleFreshReview}},
		"the reviewer has left": {approved, func(f *Facts, _ time.Time) {
			f.Reviews.Items[0].Permission, f.Reviews.Items[0].PermissionThen, f.Teams[0].Members.Items = "none", "none", nil
		}, HindsightUnknown, []string{RuleHumanReview, RuleFreshReview}},
		"the reviewer's account is deleted": {approved, func(f *Facts, _ time.Time) {
			f.Reviews.Items[0].Actor = Actor{Login: "ghost", Type: TypeGhost}
		}, HindsightUnknown, []string{RuleHumanReview, RuleFreshReview}},
		"the reviewer may not write today":  {approved, func(f *Facts, _ time.Time) { f.Reviews.Items[0].Permission = "read" }, HindsightHeld, []string{RuleHumanReview, RuleFreshReview}},
		"who is in the team cannot be read": {approved, func(f *Facts, _ time.Time) { f.Teams[0].Members = List[Actor]{Why: "not shown"} }, HindsightUnknown, nil},
		"nothing was tested":                {approved, func(f *Facts, _ time.Time) { f.Validations.Items = nil }, HindsightHeld, []string{RuleValidated}},
		"it was tested after the merge": {approved, func(f *Facts, merged time.Time) {
			f.Validations.Items[0].StartedAt, f.Validations.Items[0].CompletedAt = merged.Add(time.Hour), merged.Add(2*time.Hour)
		}, HindsightHeld, []string{RuleValidated}},
		"the tests ended after the merge":    {approved, func(f *Facts, merged time.Time) { f.Validations.Items[0].CompletedAt = merged.Add(time.Hour) }, HindsightHeld, []string{RuleValidated}},
		"which validations ran is not known": {approved, func(f *Facts, _ time.Time) { f.Validations.Complete = false }, HindsightUnknown, []string{RuleValidated, RuleIndependentValidation}},
		"the branch runs another workflow today": {approved, func(f *Facts, _ time.Time) {
			f.Validations.Items[0].Job.Event = "push"
			f.Workflows = []WorkflowFile{{Path: ".github/workflows/ci.yml", HeadBlob: "1", BaseBlob: "2"}}
		}, HindsightUnknown, []string{RuleIndependentValidation}},
		"it is not shown as merged":        {approved, func(f *Facts, _ time.Time) { f.Change.State = "closed" }, HindsightUnknown, nil},
		"the facts are of another program": {approved, func(f *Facts, _ time.Time) { f.V++ }, HindsightUnknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f, merged := lookedBackOn(t, p, tt.test)
			if tt.alter != nil {
				tt.alter(f, merged)
			}
			before, _ := json.Marshal(f)
			got := InHindsight(p, Builtin(), f, merged)
			var rules []string
			for _, r := range got.Rules {
				rules = append(rules, r.Rule)
			}
			if got.Answer != tt.want || tt.rules != nil && !slices.Equal(rules, tt.rules) {
				t.Errorf("got %s by %v (%s), want %s by %v\n%+v", got.Answer, rules, got.Cause, tt.want, tt.rules, got.Rules)
			}
			if got.Answer != HindsightNothing && len(rules) == 0 && got.Cause == "" {
				t.Error("it does not say why")
			}
			if after, _ := json.Marshal(f); string(after) != string(before) {
				t.Error("the facts are not what they were")
			}
		})
	}
}

// Where not all commits were read, nobody says that no agent indicator was found.
func TestInHindsightTheClassMayNotBeKnown(t *testing.T) {
	p, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main]\n"))
	if err != nil {
		t.Fatal(err)
	}
	f, merged := lookedBackOn(t, p, TestCase{})
	if got := InHindsight(p, Builtin(), f, merged); got.Class != ClassUndetected {
		t.Errorf("got class %q, want %q", got.Class, ClassUndetected)
	}
	f.Commits.Complete = false
	if got := InHindsight(p, Builtin(), f, merged); got.Class != "" {
		t.Errorf("with commits that were not read: got class %q", got.Class)
	}
}

// By the policy to begin with tests are those that the branch requires. Where it requires none, that is
// held against no change, and is said; whatever else is against one still is.
func TestInHindsightByTheBeginning(t *testing.T) {
	for _, branch := range []string{"main", "release/1.x", "\"odd\": {name}", "[main]"} {
		p, err := Parse(Beginning(branch))
		if branch[0] == '"' || branch[0] == '[' { // of which no policy can be
			if err == nil {
				t.Errorf("%s can be named", branch)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, enrolled := p.Lane(branch); !enrolled || e.Mode != ModeAudit {
			t.Errorf("%s: %+v", branch, e)
		}
		if _, enrolled := p.Lane("another"); enrolled {
			t.Errorf("%s enrols more", branch)
		}
	}
	p, err := Parse(Beginning("main"))
	if err != nil {
		t.Fatal(err)
	}
	approved := TestCase{Reviews: []TestReview{{By: "bob", Says: saysApproves, Role: "write"}}, Unprotected: true}
	for name, tt := range map[string]struct {
		test     TestCase
		alter    func(f *Facts)
		want     HindsightAnswer
		untested bool
	}{
		"the branch requires none":                      {approved, nil, HindsightNothing, true},
		"and nobody approved":                           {TestCase{Unprotected: true}, nil, HindsightHeld, true},
		"what the branch requires is not known":         {approved, func(f *Facts) { f.Protection.Readable, f.Protection.Why = false, "not shown" }, HindsightUnknown, false},
		"the branch requires one, which did not run":    {approved, requiresCI, HindsightHeld, false},
		"the branch requires one, which cannot be read": {approved, func(f *Facts) { requiresCI(f); f.Validations = List[Validation]{Why: "not shown"} }, HindsightUnknown, false},
	} {
		f, merged := lookedBackOn(t, p, tt.test)
		f.Validations.Items = nil
		if tt.alter != nil {
			tt.alter(f)
		}
		got := InHindsightByBeginning(p, Builtin(), f, merged)
		if got.Answer != tt.want || got.Untested != tt.untested {
			t.Errorf("%s: got %+v", name, got)
		}
		if tt.untested {
			if by := InHindsight(p, Builtin(), f, merged); by.Answer != HindsightHeld {
				t.Errorf("%s: as any other policy: got %+v", name, by)
			}
		}
	}
}

// requiresCI has the branch require a check.
func requiresCI(f *Facts) {
	f.Protection.Classic = &ClassicProtection{RequiresChecks: true, RequiredChecks: []RequiredCheck{{Name: "ci", AppID: 1}}}
}

// A report counts each change once in each of its sums, and names the worst.
func TestFirstDayCounts(t *testing.T) {
	r := NewFirstDay("acme", time.Unix(1e9, 0), time.Unix(9e8, 0))
	for i := range 60 {
		c := FirstDayChange{Repository: "acme/shop", Ref: "main", Number: i + 1, MergedAt: time.Unix(int64(9e8+i), 0)}
		h := Hindsight{Answer: HindsightHeld, Class: ClassUndetected, Rules: []RuleResult{{Rule: RuleHumanReview, Reason: "Nobody did."}}}
		switch {
		case i%3 == 1:
			h.Answer = HindsightNothing
		case i%3 == 2:
			h = Hindsight{Answer: HindsightUnknown, Cause: "It is not there."}
		case i == 30:
			h.Class = ClassAgent
		}
		r.Add(c, h)
	}
	r.Finish()
	if r.All != (FirstDayCounts{60, 20, 20, 20}) || r.Branches[0].FirstDayCounts != r.All || len(r.Rules) != 1 || r.Rules[0].Held != 20 {
		t.Errorf("got %+v, %+v, %+v", r.All, r.Branches, r.Rules)
	}
	looked := 0
	for _, c := range r.Classes {
		looked += c.Looked
	}
	if looked != 60 || len(r.Held) != 20 || r.Held[0].Class != ClassAgent || r.Held[1].Number != 58 || r.NotKnown[0].Why == "" {
		t.Errorf("got %+v, %+v", r.Classes, r.Held)
	}
}

// Nobody could confirm what was merged before: it is not known, and neither held nor fine.
func TestNothingWasConfirmedBefore(t *testing.T) {
	p, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main]\nreview: {confirm: [agent]}\nvalidation:\n  required:\n    - {id: tests, kind: test, app: github-actions, workflow: .github/workflows/ci.yml, job: test}\n"))
	if err != nil {
		t.Fatal(err)
	}
	for author, want := range map[string]HindsightAnswer{"copilot-cloud-agent": HindsightUnknown, "dave": HindsightNothing} {
		f, merged := lookedBackOn(t, p, TestCase{Author: author, AskedBy: "alice", Reviews: []TestReview{{By: "bob", Says: saysApproves, Role: "write"}}, Validations: map[string]string{"tests": "success"}})
		f.Confirmations = nil
		if got := InHindsight(p, Builtin(), f, merged); got.Answer != want {
			t.Errorf("by %s: got %s by %+v, want %s", author, got.Answer, got.Rules, want)
		}
	}
	f, merged := lookedBackOn(t, p, TestCase{Author: "copilot-cloud-agent", AskedBy: "alice", Validations: map[string]string{"tests": "success"}})
	if got := InHindsight(p, Builtin(), f, merged); got.Answer != HindsightHeld {
		t.Errorf("nobody approved: got %s", got.Answer)
	}
}
