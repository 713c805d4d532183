package policy

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// The formats of Facts and Decision are evidence: stored for years, and read by
// programs that we do not know. These files change only by additions.
func TestFormats(t *testing.T) {
	_, tree := base(t)
	f := factsOf(t, tree)
	// The base leaves out what it does not need.
	f.Protection.Classic = &ClassicProtection{Pattern: "main", RequiredChecks: []RequiredCheck{{Name: "test", AppID: 15368}}}
	f.Protection.Bypass[0].Actors = []BypassActor{{Type: "Team", ID: 3, Name: "ops", Mode: "always"}}
	f.Protection.Rules.Items[0].RequiresUpToDate, f.Protection.Rules.Items[0].MergeMethods = true, []string{"squash"}
	f.Protection.Why, f.Files.Why, f.Protection.Bypass[0].Why = "why", "why", "why"
	f.Teams = []Team{{Name: "acme/platform", Members: List[Actor]{Items: []Actor{{ID: 1, Login: "a", Type: TypeUser}}, Complete: true, Total: 1}}}
	f.Reviews.Items[0].DismissedState = "approved"
	update := RefUpdate{ID: 61, Type: UpdatePush, Before: "b000000000000000000000000000000000000000", After: f.Change.HeadSHA, At: time.Date(2026, 11, 23, 10, 0, 4, 0, time.UTC)}
	f.Stack = &Stack{Pushed: &update, Base: List[RefUpdate]{Items: []RefUpdate{update}, Complete: true, Total: 1}, OtherPulls: []int{5}}
	f.Sources = []Source{{Part: "files", Route: "GET /repos/{owner}/{repo}/pulls/{number}/files", At: time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC), Revalidated: true}}
	for name, value := range map[string]any{"facts": f, "decision": fullDecision(t)} {
		b, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("%sformat/%s.json", corpus, name), append(b, '\n'))
	}
}

// fullDecision is a decision with every field set.
func fullDecision(t testing.TB) Decision {
	for _, s := range scenarios(t) {
		if s.name == "validation-missing-just-pushed" {
			d := s.evaluate()
			d.Lane, d.Cause = "lane", "cause"
			d.Rules[0].Unknown, d.Rules[0].Command = true, "command"
			d.Authorship.Authors[0].Email = "a@example.com"
			return d
		}
	}
	t.Fatal("no such case")
	return Decision{}
}

// large is a change of 100 commits, 300 files, 50 checks and 20 reviews.
func large(t testing.TB) (*Policy, *Facts) {
	_, tree := base(t)
	source, _ := base(t)
	p, err := Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	f := factsOf(t, tree)
	for i := range 99 {
		c := f.Commits.Items[0]
		c.SHA = fmt.Sprintf("%040x", i)
		f.Commits.Items = append(f.Commits.Items, c)
	}
	for i := range 299 {
		f.Files.Items = append(f.Files.Items, File{Path: fmt.Sprintf("pkg/part%d/file%d.go", i%20, i), Status: "modified"})
	}
	for i := range 49 {
		v := f.Validations.Items[0]
		job := *v.Job
		v.ID, v.Name, v.Job = int64(1000+i), fmt.Sprintf("job %d", i), &job
		job.ID, job.Name = v.ID, v.Name
		f.Validations.Items = append(f.Validations.Items, v)
	}
	for i := range 19 {
		r := f.Reviews.Items[0]
		r.ID, r.Actor = int64(600+i), Actor{ID: int64(2000 + i), Login: fmt.Sprintf("reviewer%d", i), Type: TypeUser}
		f.Reviews.Items = append(f.Reviews.Items, r)
	}
	return p, f
}

func BenchmarkEvaluate(b *testing.B) {
	p, f := large(b)
	cat := Builtin()
	if d := Evaluate(p, cat, f); d.Verdict != VerdictPass {
		b.Fatalf("%s: %s", d.Verdict, d.Title)
	}
	b.ReportAllocs()
	for b.Loop() {
		Evaluate(p, cat, f)
	}
}

func BenchmarkRender(b *testing.B) {
	p, f := large(b)
	d := Evaluate(p, Builtin(), f)
	b.ReportAllocs()
	for b.Loop() {
		Render(d, Proof{})
	}
}

func BenchmarkParse(b *testing.B) {
	source, _ := base(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(source); err != nil {
			b.Fatal(err)
		}
	}
}
