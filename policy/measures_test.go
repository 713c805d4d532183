package policy

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMeasures(t *testing.T) {
	source, tree := base(t)
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 23, hour, minute, 0, 0, time.UTC) }
	copilot := MeasuredAgent{Name: "copilot-cloud-agent", Kind: KindAgent, Vendor: "GitHub", Provider: "several (OpenAI, Anthropic, Google)"}
	for _, test := range []struct {
		name   string
		policy string
		change func(*Facts)
		want   Measures
	}{
		{"the base", "", func(*Facts) {}, Measures{FirstReviewAt: at(11, 0).Add(time.Second), Approvals: 1, Attempts: 1, Agents: []MeasuredAgent{copilot}}},
		{"with a clock", "sla: {agent_review: 24h}", func(f *Facts) { f.Change.ReadyAt = at(10, 0) },
			Measures{ReadyAt: at(10, 0), FirstReviewAt: at(11, 0).Add(time.Second), ReviewDueAt: at(10, 0).AddDate(0, 0, 1), Approvals: 1, Attempts: 1, Agents: []MeasuredAgent{copilot}}},
		{"reviewed by who asked for it, by a bot and by an agent alone", "", func(f *Facts) {
			review := f.Reviews.Items[0]
			f.Reviews.Items = nil
			for i, a := range []Actor{{ID: 101, Login: "alice", Type: TypeUser}, {ID: 900, Login: "reviewer", Type: TypeBot}, {ID: 198982749, Login: "Copilot", Type: TypeUser}} {
				review.ID, review.Actor = int64(501+i), a
				f.Reviews.Items = append(f.Reviews.Items, review)
			}
		}, Measures{Attempts: 1, Agents: []MeasuredAgent{copilot}}},
		{"a comment is a review, and no approval", "", func(f *Facts) { f.Reviews.Items[0].State = reviewCommented },
			Measures{FirstReviewAt: at(11, 0).Add(time.Second), Attempts: 1, Agents: []MeasuredAgent{copilot}}},
		{"tried three times", "", func(f *Facts) {
			again := f.Validations.Items[0]
			for i, conclusion := range []string{"failure", "timed_out"} {
				job := *again.Job
				again.Job = &job
				again.ID, again.Conclusion, job.ID = int64(801+i), conclusion, int64(801+i)
				f.Validations.Items = append(f.Validations.Items, again)
			}
			other := again
			other.ID, other.Name, other.Conclusion = 700, "not asked for", "failure"
			other.Job = nil
			f.Validations.Items = append(f.Validations.Items, other)
		}, Measures{FirstReviewAt: at(11, 0).Add(time.Second), Approvals: 1, Attempts: 3, Failed: 2, Agents: []MeasuredAgent{copilot}}},
		{"still running", "", func(f *Facts) { f.Validations.Items[0].Status, f.Validations.Items[0].Conclusion = "in_progress", "" },
			Measures{FirstReviewAt: at(11, 0).Add(time.Second), Approvals: 1, Attempts: 1, Agents: []MeasuredAgent{copilot}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := Parse(append(append([]byte{}, source...), test.policy...))
			if err != nil {
				t.Fatal(err)
			}
			f := factsOf(t, tree)
			test.change(f)
			recorded, err := json.Marshal(f)
			if err != nil {
				t.Fatal(err)
			}
			got := MeasuresOf(Evaluate(p, Builtin(), f), recorded, Builtin().Bytes())
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for name, got := range map[string]*Measures{
		"nothing was read":          MeasuresOf(Undecided(Subject{}, "GitHub did not answer.", true), nil, nil),
		"facts that are none":       MeasuresOf(Decision{}, []byte("{"), Builtin().Bytes()),
		"group facts that are none": MeasuresOf(Decision{Members: []MemberResult{}}, []byte("{"), Builtin().Bytes()),
		"a catalogue that is none":  MeasuresOf(Decision{}, []byte("{}"), []byte("agents: 7")),
	} {
		if got != nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// A merge group is measured by what ran on its own commit.
func TestMeasuresOfAGroup(t *testing.T) {
	d := Decision{Members: []MemberResult{{Number: 7}}, Validations: []ValidationResult{{ID: "tests", Attempts: []int64{1, 2}}}}
	facts, err := json.Marshal(GroupFacts{Validations: List[Validation]{Items: []Validation{
		{ID: 1, Status: statusCompleted, Conclusion: "failure"}, {ID: 2, Status: statusCompleted, Conclusion: stateSuccess}, {ID: 3, Status: statusCompleted, Conclusion: "failure"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := MeasuresOf(d, facts, Builtin().Bytes()); got == nil || got.Attempts != 2 || got.Failed != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestMeasuresFormat(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 4, 0, time.UTC)
	m := Measures{
		ReadyAt: at, FirstReviewAt: at, ReviewDueAt: at, Approvals: 2, Attempts: 3, Failed: 1,
		Emergency: &EmergencyResult{By: Actor{ID: 105, Login: "erin", Type: TypeUser}, Ticket: "INC-7", Reason: "the shop is down", DeclaredAt: at, DeliveryID: "d-30", Until: at, ReviewBy: at},
		Agents:    []MeasuredAgent{{Name: "claude-code", Kind: KindAgent, Vendor: "Anthropic", Provider: "Anthropic"}},
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, corpus+"format/measures.json", append(b, '\n'))
}
