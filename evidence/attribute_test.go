package evidence

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/policy"
)

func TestAttributesGolden(t *testing.T) {
	p := month(t, nil)
	golden(t, "attributes.csv", p.document(p.findings(), "attributes.csv"))
}

// results tests the one change of a period, and returns what came of it by letter.
func (p *period) results() map[string]testedAttribute {
	p.t.Helper()
	f := p.findings()
	if len(f.changes) != 1 {
		p.t.Fatalf("%d changes", len(f.changes))
	}
	r, err := f.onRecord(f.changes[0])
	p.must(err)
	out := map[string]testedAttribute{}
	for _, x := range f.attributesOf(r) {
		out[x.letter] = x
	}
	return out
}

// of asserts the results of letters, written like "B deviation, F pass".
func wantResults(t *testing.T, got map[string]testedAttribute, want string) {
	t.Helper()
	for _, w := range strings.Split(want, ", ") {
		letter, result, _ := strings.Cut(w, " ")
		x := got[letter]
		if string(x.result) != result {
			t.Errorf("%s: got %q (%s; %s), want %q", letter, x.result, x.reason, x.restsOn, result)
		}
		if x.reason == "" || x.restsOn == "" && x.result != resultNotRecorded {
			t.Errorf("%s: no reason, or nothing that it rests on: %+v", letter, x.finding)
		}
	}
}

func TestAttributesOfAMerge(t *testing.T) {
	const holds = "A not applicable, B pass, C pass, D pass, E pass, F pass, G pass, H pass, I pass, J not applicable, K not recorded, L pass"
	for _, test := range []struct {
		name   string
		policy string
		facts  func(*policy.Facts)
		update func(*policy.UpdateFacts)
		want   string
	}{
		{"everything holds", "", nil, nil, holds},
		{"asked for by an issue", "authorisation: {required: true}", func(f *policy.Facts) {
			f.Issues = &policy.List[policy.Issue]{Complete: true, Items: []policy.Issue{{Repository: "acme/shop", Number: 3, Author: policy.Actor{ID: 101, Login: "alice", Type: policy.TypeUser}, CreatedAt: f.Change.CreatedAt.AddDate(0, 0, -1)}}}
		}, nil, "A pass"},
		{"asked for by nobody", "authorisation: {required: true}", func(f *policy.Facts) { f.Issues = &policy.List[policy.Issue]{Complete: true} }, nil, "A deviation, I deviation"},
		{"who asked could not be read", "authorisation: {required: true}", nil, nil, "A unknown, I deviation"},
		{"nobody approved", "", func(f *policy.Facts) { f.Reviews.Items = nil }, nil, "B deviation, C deviation, D deviation, E deviation, F pass, I deviation"},
		{"a bot approved", "", func(f *policy.Facts) {
			f.Reviews.Items[0].Actor = policy.Actor{ID: 900, Login: "reviewer", Type: policy.TypeBot}
		}, nil, "B deviation, C deviation, D deviation"},
		{"who asked for it approved", "", func(f *policy.Facts) {
			f.Reviews.Items[0].Actor = policy.Actor{ID: 101, Login: "alice", Type: policy.TypeUser}
		}, nil, "B deviation, C deviation, D deviation"},
		{"approved an older commit", "", func(f *policy.Facts) {
			f.Reviews.Items[0].Received.CommitSHA, f.Reviews.Items[0].Received.HeadSHA = "0ld", "0ld"
		}, nil, "B pass, C pass, D pass, E deviation, I deviation"},
		{"reviews not whole", "", func(f *policy.Facts) { f.Reviews.Complete = false }, nil, "B unknown, E unknown, F pass"},
		{"something else was merged", "", nil, func(u *policy.UpdateFacts) {
			u.Files.Items = []policy.File{{Path: "other.go", Status: "added", Additions: 1}}
		}, "B pass, E deviation, I pass"},
		{"a validation failed", "", func(f *policy.Facts) { f.Validations.Items[0].Conclusion = "failure" }, nil, "F deviation, I deviation, B pass"},
		{"a validation is missing", "", func(f *policy.Facts) { f.Validations.Items = nil }, nil, "F deviation, G pass"},
		{"validations not whole", "", func(f *policy.Facts) { f.Validations.Complete = false }, nil, "F unknown, G unknown"},
		{"edits a workflow without an owner", "", func(f *policy.Facts) { f.Files.Items[0].Path = ".github/workflows/ci.yml" }, nil, "G deviation, I deviation"},
		{"files not whole", "", func(f *policy.Facts) { f.Files.Complete = false }, nil, "G unknown"},
		{"merged by an agent", "", nil, func(u *policy.UpdateFacts) {
			u.Actor = policy.Actor{ID: 198982749, Login: "Copilot", Type: policy.TypeBot}
		}, "H deviation, B pass"},
		{"merged by nobody knows whom", "", nil, func(u *policy.UpdateFacts) { u.Actor = policy.Actor{} }, "H unknown"},
		{"merged by its author", "", byDave, func(u *policy.UpdateFacts) {
			u.Actor = policy.Actor{ID: 104, Login: "dave", Type: policy.TypeUser}
		}, "B pass, H not applicable, I pass"},
		{"decided for another branch", "", nil, func(u *policy.UpdateFacts) { u.Ref = "release" }, "I deviation"},
		{"only reported on", "mode: audit", func(f *policy.Facts) { f.Reviews.Items = nil }, func(u *policy.UpdateFacts) { u.Mode = policy.ModeAudit }, "B deviation, I not applicable"},
		{"a person's", "", byDave, nil, "B pass, L pass"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeriod(t, nil)
			if test.policy == "mode: audit" {
				p.policy = strings.Replace(p.policy, "mode: enforce", test.policy, 1)
			} else if test.policy != "" {
				p.policy += test.policy + "\n"
			}
			p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, p.decide(p.facts(7, test.facts)))}, test.update)
			wantResults(t, p.results(), test.want)
		})
	}
}

// Who took part is not independent, whatever the policy lets them do. It is said that nobody knows who asked.
func TestIndependenceSaysItsLimits(t *testing.T) {
	p := newPeriod(t, nil)
	p.policy += "review: {coauthors: allow}\n"
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, p.decide(p.facts(7, func(f *policy.Facts) {
		byDave(f)
		f.Commits.Items[0].CoAuthors = []policy.Identity{{Name: "bob", Email: "102+bob@users.noreply.github.com", Account: policy.Actor{ID: 102, Login: "bob", Type: policy.TypeUser}}}
	})))}, nil)
	if got := p.results()["D"]; got.result != resultDeviation || got.reason != "The policy lets who took part approve as well (review.coauthors): bob (suggested lines)." {
		t.Errorf("got %+v", got.finding)
	}
	p = newPeriod(t, nil)
	p.policy += "review: {coauthors: allow}\n"
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, p.decide(p.facts(7, func(f *policy.Facts) {
		byDave(f)
		f.Commits.Items[0].CoAuthors = []policy.Identity{{Name: "bob", Email: "102+bob@users.noreply.github.com", Account: policy.Actor{ID: 102, Login: "bob", Type: policy.TypeUser}}}
		other := f.Reviews.Items[0]
		other.ID, other.Actor = 502, policy.Actor{ID: 106, Login: "frank", Type: policy.TypeUser}
		f.Reviews.Items = append(f.Reviews.Items, other)
	})))}, nil)
	if got := p.results()["D"]; got.result != resultPass || !strings.HasPrefix(got.reason, "frank wrote") || !strings.Contains(got.reason, "bob (suggested lines)") {
		t.Errorf("got %+v", got.finding)
	}
	p = newPeriod(t, nil)
	p.policy += "review: {unknown_initiator: 0}\n"
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, p.decide(p.facts(7, func(f *policy.Facts) { f.Assignments.Items = nil })))}, nil)
	if got := p.results()["D"]; got.result != resultPass || !strings.Contains(got.reason, "Who asked for the change is not known") {
		t.Errorf("got %+v", got.finding)
	}
}

// What no decision preceded is unknown, and a bypass; what came without a pull request deviates.
func TestAttributesWithoutADecision(t *testing.T) {
	t.Run("no decision", func(t *testing.T) {
		p := newPeriod(t, nil)
		p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, nil)}, nil)
		wantResults(t, p.results(), "A unknown, B unknown, C unknown, D unknown, E unknown, F unknown, G unknown, H unknown, I deviation, J not applicable, L unknown")
	})
	t.Run("nothing could be read", func(t *testing.T) {
		p := newPeriod(t, nil)
		p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, p.undecided(7))}, nil)
		wantResults(t, p.results(), "A unknown, B unknown, E unknown, F unknown, G unknown, H unknown, I deviation, L unknown")
	})
	t.Run("pushed", func(t *testing.T) {
		p := newPeriod(t, nil)
		p.update(policy.UpdatePush, nil, nil)
		wantResults(t, p.results(), "A deviation, B deviation, C deviation, D deviation, E deviation, F deviation, G deviation, H not applicable, I deviation, J not applicable, L not applicable")
	})
	t.Run("branch deleted", func(t *testing.T) {
		p := newPeriod(t, nil)
		p.update(policy.UpdateDeletion, nil, nil)
		wantResults(t, p.results(), "B not applicable, F not applicable, I not applicable")
	})
}

// A merge group that passed stands for its members, whatever was decided about them alone.
func TestAttributesOfAMergeGroup(t *testing.T) {
	queued := func(t *testing.T, own *policy.PriorDecision, p *period, conclusion string) map[string]testedAttribute {
		f := p.facts(7, nil)
		g := &policy.GroupFacts{
			V: policy.FactsVersion, Group: true, CollectedAt: f.CollectedAt, EvaluatedAt: f.EvaluatedAt, App: f.App, Repository: f.Repository, HeadSHA: "b1", BaseRef: "main",
			Members:     policy.List[policy.GroupMember]{Complete: true, Items: []policy.GroupMember{{Number: 7, HeadSHA: f.Change.HeadSHA, Facts: f}}},
			Validations: f.Validations,
		}
		v := &g.Validations.Items[0]
		v.HeadSHA, v.Conclusion, v.Job.Event = "b1", conclusion, "merge_group"
		parsed, err := policy.Parse([]byte(p.policy))
		p.must(err)
		group := p.keep(policy.EvaluateGroup(parsed, policy.Builtin(), g), p.encode(g))
		p.update(policy.UpdateQueueMerge, []policy.MergedChange{merged(7, own)}, func(u *policy.UpdateFacts) { u.Group = group })
		return p.results()
	}
	t.Run("passed, where the pull request alone had failed", func(t *testing.T) {
		p := newPeriod(t, nil)
		own := p.decide(p.facts(7, func(f *policy.Facts) { f.Validations.Items[0].Conclusion = "failure" }))
		wantResults(t, queued(t, own, p, "success"), "B pass, C pass, F pass, G pass, H pass, I pass, L pass")
	})
	t.Run("passed, and nothing was decided about the pull request alone", func(t *testing.T) {
		wantResults(t, queued(t, nil, newPeriod(t, nil), "success"), "B pass, C pass, D pass, E pass, F pass, I pass")
	})
	t.Run("failed, and was merged all the same", func(t *testing.T) {
		wantResults(t, queued(t, nil, newPeriod(t, nil), "failure"), "B pass, F deviation, I deviation")
	})
}

func TestAttributeOfAnEmergency(t *testing.T) {
	p := month(t, nil)
	f := p.findings()
	want := map[int]string{13: "B not applicable, F pass, I pass, J pass", 14: "B not applicable, J deviation", 15: "B not applicable, J deviation"}
	for _, c := range f.changes {
		if want[c.number] == "" {
			continue
		}
		r, err := f.onRecord(c)
		p.must(err)
		got := map[string]testedAttribute{}
		for _, x := range f.attributesOf(r) {
			got[x.letter] = x
		}
		wantResults(t, got, want[c.number])
	}
	t.Run("not due yet", func(t *testing.T) {
		p := newPeriod(t, nil)
		p.emergency(13, "open", 0)
		wantResults(t, p.results(), "B not applicable, I pass, J unknown")
	})
}

// The wording is part of what is promised.
func TestAttributesNeverClaimTooMuch(t *testing.T) {
	p := month(t, nil)
	for _, word := range []string{"compliant", "human-written"} {
		if csv := p.document(p.findings(), "attributes.csv"); strings.Contains(strings.ToLower(string(csv)), word) {
			t.Errorf("attributes.csv says %q", word)
		}
	}
}
