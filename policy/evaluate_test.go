package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// encoded is a decision as it is recorded.
func encoded(t testing.TB, d Decision) []byte {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clone is a deep copy of facts, by way of their recorded bytes.
func clone(t testing.TB, f *Facts) *Facts {
	t.Helper()
	src, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	out := &Facts{}
	if err := json.Unmarshal(src, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func green(d Decision) bool {
	_, conclusion := d.Status()
	return conclusion == conclusionSuccess
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		verdict             Verdict
		final               bool
		enforce, audit      string // conclusion, or status while not completed
		rankOfEnforceOrLess int
	}{
		{VerdictPass, true, "success", "success", 0},
		{VerdictWaiting, true, "in_progress", "in_progress", 1},
		{VerdictUndecided, false, "in_progress", "neutral", 2},
		{VerdictFail, true, "failure", "neutral", 3},
		{VerdictUndecided, true, "failure", "neutral", 4},
		{VerdictRepair, true, "action_required", "neutral", 5},
		{Verdict("new"), true, "failure", "neutral", 5},
		{Verdict(""), false, "failure", "neutral", 5},
	} {
		for mode, want := range map[Mode]string{ModeEnforce: c.enforce, ModeAudit: c.audit, Mode(""): c.enforce, Mode("x"): c.enforce} {
			d := Decision{Verdict: c.verdict, Final: c.final, Mode: mode}
			status, conclusion := d.Status()
			got := conclusion
			if got == "" {
				got = status
			}
			if got != want || (conclusion == "") != (status == "in_progress") {
				t.Errorf("%q in mode %q: %s/%s, want %s", c.verdict, mode, status, conclusion, want)
			}
			if green(d) != (c.verdict == VerdictPass) {
				t.Errorf("%q in mode %q: green %v", c.verdict, mode, green(d))
			}
			if mode != ModeAudit && (conclusion == "neutral" || conclusion == "skipped") {
				t.Errorf("%q enforced is %s, which GitHub lets through", c.verdict, conclusion)
			}
			if d.Rank() != c.rankOfEnforceOrLess {
				t.Errorf("%q has rank %d, want %d", c.verdict, d.Rank(), c.rankOfEnforceOrLess)
			}
		}
	}
}

func TestNothingIsUndecided(t *testing.T) {
	s := scenarios(t)[0]
	cat := Builtin()
	for name, d := range map[string]Decision{
		"no policy":    Evaluate(nil, cat, s.facts),
		"no catalogue": Evaluate(s.policy, nil, s.facts),
		"no facts":     Evaluate(s.policy, cat, nil),
		"empty facts":  Evaluate(s.policy, cat, &Facts{}),
		"empty policy": Evaluate(&Policy{}, cat, s.facts),
		"undecided":    Undecided(Subject{}, "GitHub is down", false),
		"given up":     Undecided(Subject{}, "GitHub is down", true),
		"broken":       BrokenPolicy(Subject{}, PolicyLayer{}, &ParseError{Problems: []Problem{{Line: 3, Column: 1, Message: "is bad", Hint: "repair it"}}}),
		"broken, nil":  BrokenPolicy(Subject{}, PolicyLayer{}, nil),
	} {
		if green(d) || d.Cause == "" || d.Title == "" || d.CheckName == "" || d.Mode != ModeEnforce {
			t.Errorf("%s: %+v", name, d)
		}
		if b := encoded(t, d); bytes.Contains(b, []byte("null")) {
			t.Errorf("%s: a list is null in %s", name, b)
		}
	}
}

// A policy made by hand, with nothing filled in, must not be laxer than the defaults.
func TestPolicyWithoutDefaultsIsNotLaxer(t *testing.T) {
	for _, s := range scenarios(t) {
		bare := &Policy{
			Version: 1, Mode: ModeEnforce, Branches: s.policy.Branches, Lanes: s.policy.Lanes,
			Validation: ValidationRules{Required: s.policy.Validation.Required},
		}
		filled, err := Parse([]byte("version: 1\nmode: enforce\nbranches: [main]\n"))
		if err != nil {
			t.Fatal(err)
		}
		filled.Branches, filled.Lanes, filled.Validation.Required = bare.Branches, bare.Lanes, bare.Validation.Required
		if green(Evaluate(bare, Builtin(), s.facts)) && !green(Evaluate(filled, Builtin(), s.facts)) {
			t.Errorf("%s passes with an empty policy and not with its defaults", s.name)
		}
	}
}

func TestSameFactsSameBytes(t *testing.T) {
	for _, s := range scenarios(t) {
		first := encoded(t, s.evaluate())
		before, _ := json.Marshal(s.facts)
		for range 5 {
			if again := encoded(t, s.evaluate()); !bytes.Equal(first, again) {
				t.Fatalf("%s: a second evaluation differs:\n%s\n%s", s.name, first, again)
			}
		}
		if after, _ := json.Marshal(s.facts); !bytes.Equal(before, after) {
			t.Errorf("%s: Evaluate changed the facts", s.name)
		}
		// And so do the facts as they are stored and read again, years later.
		stored := Evaluate(s.policy, Builtin().With(s.policy.Agents), clone(t, s.facts))
		if !bytes.Equal(first, encoded(t, stored)) {
			t.Errorf("%s: stored facts give another decision", s.name)
		}
	}
}

// shuffle puts every list of the facts into another order. Commits are left alone:
// their order is git's.
func shuffle(r *rand.Rand, f *Facts) {
	mix := func(n int, swap func(i, j int)) { r.Shuffle(n, swap) }
	mix(len(f.Pushes), reflect.Swapper(f.Pushes))
	mix(len(f.Teams), reflect.Swapper(f.Teams))
	mix(len(f.Reviews.Items), reflect.Swapper(f.Reviews.Items))
	mix(len(f.Validations.Items), reflect.Swapper(f.Validations.Items))
	mix(len(f.Assignments.Items), reflect.Swapper(f.Assignments.Items))
	mix(len(f.Protection.Rules.Items), reflect.Swapper(f.Protection.Rules.Items))
	mix(len(f.Protection.Bypass), reflect.Swapper(f.Protection.Bypass))
	for i := range f.Protection.Rules.Items {
		checks := f.Protection.Rules.Items[i].RequiredChecks
		mix(len(checks), reflect.Swapper(checks))
	}
	for i := range f.Protection.Bypass {
		actors := f.Protection.Bypass[i].Actors
		mix(len(actors), reflect.Swapper(actors))
	}
}

func TestOrderOfListsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range scenarios(t) {
		want := shown(s.evaluate())
		for range 10 {
			f := clone(t, s.facts)
			shuffle(r, f)
			if got := shown(Evaluate(s.policy, Builtin().With(s.policy.Agents), f)); got != want {
				t.Errorf("%s: another order gives\n%s\nwant\n%s", s.name, got, want)
				break
			}
		}
	}
}

// forged reports whether a run of GitHub Actions has no job of its own: without it, or
// with less of it, the change is as it would be without the forgery.
func forged(v Validation) bool { return v.App.isActions() && !v.genuine() }

// oneOfSeveral reports whether a success has the name of another job of its attempt. It
// speaks for the change, and also says that no job of that name stands for another.
func oneOfSeveral(f *Facts, v Validation) bool {
	return v.Conclusion == stateSuccess && slices.ContainsFunc(f.Validations.Items, func(o Validation) bool {
		return o.ID != v.ID && o.Name == v.Name && o.Job != nil && v.Job != nil && o.Job.RunID == v.Job.RunID && o.Job.Attempt == v.Job.Attempt
	})
}

// change is one way to know less, or to have less that speaks for a change.
type change struct {
	name  string
	apply func(*Facts)
}

// losses are all ways to take one thing away from facts: an approval, a validation, a
// protection, or the knowledge of something. None may make a change green.
func losses(f *Facts) []change {
	var out []change
	add := func(apply func(*Facts), format string, args ...any) {
		out = append(out, change{fmt.Sprintf(format, args...), apply})
	}
	for i := range f.Reviews.Items {
		r := f.Reviews.Items[i]
		if r.State == reviewApproved {
			add(func(f *Facts) { f.Reviews.Items = slices.Delete(f.Reviews.Items, i, i+1) }, "approval %d removed", r.ID)
		}
		add(func(f *Facts) { f.Reviews.Items[i].Received = nil }, "delivery of review %d not received", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].Permission = "" }, "role of reviewer %d not known", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].Permission = "custom" }, "role of reviewer %d custom", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].PermissionThen = "" }, "earlier role of reviewer %d not known", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].Actor.Type = "" }, "type of reviewer %d not known", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].Actor = Actor{} }, "reviewer %d not known", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].State = "" }, "state of review %d not known", r.ID)
		add(func(f *Facts) { f.Reviews.Items[i].DismissedBy = Actor{} }, "dismisser of review %d not known", r.ID)
	}
	for i := range f.Validations.Items {
		v := f.Validations.Items[i]
		if oneOfSeveral(f, v) {
			continue
		}
		// An earlier success does not come back by losing a later failure: only what
		// speaks for the change is taken away.
		if v.Conclusion == stateSuccess {
			add(func(f *Facts) { f.Validations.Items = slices.Delete(f.Validations.Items, i, i+1) }, "validation %d removed", v.ID)
		}
		add(func(f *Facts) { f.Validations.Items[i].Conclusion = "" }, "conclusion of %d not known", v.ID)
		add(func(f *Facts) { f.Validations.Items[i].Status = "" }, "status of %d not known", v.ID)
		if v.Job != nil {
			add(func(f *Facts) { job := *f.Validations.Items[i].Job; job.Path = ""; f.Validations.Items[i].Job = &job }, "workflow of %d not known", v.ID)
			add(func(f *Facts) { job := *f.Validations.Items[i].Job; job.Event = ""; f.Validations.Items[i].Job = &job }, "event of %d not known", v.ID)
		}
		if !forged(v) {
			add(func(f *Facts) { f.Validations.Items[i].Job = nil }, "job of %d not known", v.ID)
			add(func(f *Facts) { f.Validations.Items[i].App = App{} }, "App of %d not known", v.ID)
			add(func(f *Facts) { f.Validations.Items[i].HeadSHA = "" }, "head of %d not known", v.ID)
			add(func(f *Facts) { f.Validations.Items[i].Creator = Actor{} }, "creator of %d not known", v.ID)
		}
	}
	for i := range f.Protection.Rules.Items {
		if f.Protection.Rules.Items[i].Type != ruleChecks {
			add(func(f *Facts) { f.Protection.Rules.Items = slices.Delete(f.Protection.Rules.Items, i, i+1) }, "rule %d removed", i)
		}
		add(func(f *Facts) { f.Protection.Rules.Items[i].Type = "" }, "type of rule %d not known", i)
	}
	for i := range f.Protection.Bypass {
		add(func(f *Facts) { f.Protection.Bypass = slices.Delete(f.Protection.Bypass, i, i+1) }, "bypass list %d removed", i)
		add(func(f *Facts) { f.Protection.Bypass[i].State = "" }, "state of bypass list %d not known", i)
		for k := range f.Protection.Bypass[i].Actors {
			add(func(f *Facts) { f.Protection.Bypass[i].Actors[k].Type = "" }, "type of bypass actor %d not known", k)
			add(func(f *Facts) { f.Protection.Bypass[i].Actors[k].Mode = "unheard of" }, "mode of bypass actor %d not known", k)
		}
	}
	for i := range f.Pushes {
		add(func(f *Facts) { f.Pushes[i].Pusher = Actor{} }, "pusher %d not known", i)
	}
	for i := range f.Files.Items {
		add(func(f *Facts) { f.Files.Items[i].Path = "" }, "path of file %d not known", i)
	}
	for i := range f.Commits.Items {
		add(func(f *Facts) { f.Commits.Items[i].CoAuthorsComplete = false }, "co-authors of commit %d not known", i)
	}
	for i := range f.Teams {
		add(func(f *Facts) { f.Teams[i].Members.Complete = false }, "members of team %d not known", i)
		add(func(f *Facts) { f.Teams = slices.Delete(f.Teams, i, i+1) }, "team %d removed", i)
	}
	add(func(f *Facts) { f.Protection.Classic = nil; f.Protection.Readable = false }, "classic protection not known")
	add(func(f *Facts) { f.Pushes = nil }, "no push known")
	add(func(f *Facts) { f.Assignments.Items = nil }, "no assignment")
	add(func(f *Facts) { f.Commits.Complete = false }, "commits not whole")
	add(func(f *Facts) { f.Reviews.Complete = false }, "reviews not whole")
	add(func(f *Facts) { f.Validations.Complete = false }, "validations not whole")
	add(func(f *Facts) { f.Files.Complete = false }, "files not whole")
	add(func(f *Facts) { f.Assignments.Complete = false }, "assignments not whole")
	add(func(f *Facts) { f.Protection.Rules.Complete = false }, "rules not whole")
	add(func(f *Facts) { f.Protection.Readable = false }, "protection not readable")
	add(func(f *Facts) { f.Protection.Ref = "" }, "branch of the protection not known")
	add(func(f *Facts) { f.App = App{} }, "our App not known")
	add(func(f *Facts) { f.Change.Author = Actor{} }, "author not known")
	add(func(f *Facts) { f.Change.Author.Type = "" }, "type of the author not known")
	add(func(f *Facts) { f.Change.HeadSHA = "" }, "head not known")
	add(func(f *Facts) { f.Change.BaseRef = "" }, "base not known")
	add(func(f *Facts) { f.Change.GoverningRef = "" }, "governing base not known")
	add(func(f *Facts) { f.Repository.ID = 0 }, "repository not known")
	add(func(f *Facts) { f.EvaluatedAt = time.Time{} }, "time not known")
	add(func(f *Facts) { f.V = 0 }, "version not known")
	return out
}

func TestKnowingLessNeverTurnsGreen(t *testing.T) {
	for _, s := range scenarios(t) {
		cat := Builtin().With(s.policy.Agents)
		if green(s.evaluate()) {
			continue
		}
		for _, loss := range losses(s.facts) {
			f := clone(t, s.facts)
			loss.apply(f)
			if d := Evaluate(s.policy, cat, f); green(d) {
				t.Errorf("%s: turns green when %s", s.name, loss.name)
			}
		}
	}
}

// What a change needs to be green must be noticed when it is gone.
func TestWhatMakesGreenIsNeeded(t *testing.T) {
	for _, s := range scenarios(t) {
		if s.name != "agent-approved-by-independent-human" {
			continue
		}
		for _, loss := range losses(s.facts) {
			switch loss.name {
			case "dismisser of review 501 not known", "creator of 901 not known":
				continue // nobody dismissed it; check runs have no creator
			}
			f := clone(t, s.facts)
			loss.apply(f)
			if green(Evaluate(s.policy, Builtin(), f)) {
				t.Errorf("still green when %s", loss.name)
			}
		}
	}
}

// agentTraces are ways in which a change can show an agent.
func agentTraces() []change {
	copilot := Actor{ID: 198982749, Login: "Copilot", Type: TypeBot}
	trailer := func(key, value string) func(*Facts) {
		return func(f *Facts) {
			for i := range f.Commits.Items {
				f.Commits.Items[i].Trailers = append(f.Commits.Items[i].Trailers, Trailer{key, value})
			}
		}
	}
	commit := func(name, email string, account Actor) func(*Facts) {
		return func(f *Facts) {
			id := Identity{Name: name, Email: email, Account: account}
			f.Commits.Items = append(f.Commits.Items, Commit{SHA: "e" + strings.Repeat("0", 39), Author: id, Committer: id, CoAuthorsComplete: true})
		}
	}
	return []change{
		{"Claude's trailer", trailer("Co-Authored-By", "Claude Opus 4.5 <noreply@anthropic.com>")},
		{"Cursor's trailer", trailer("Co-authored-by", "Cursor <cursoragent@cursor.com>")},
		{"a session", trailer("Claude-Session", "https://claude.ai/code/session_01ABCdefGHIjklMNOpqrSTUv")},
		{"an accepted suggestion", trailer("Co-authored-by", "Copilot <175728472+Copilot@users.noreply.github.com>")},
		{"a claimed requester", trailer("Co-authored-by", "zoe <999+zoe@users.noreply.github.com>")},
		{"a commit by Copilot", commit("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com", copilot)},
		{"a commit by Devin", commit("Devin AI", "158243242+devin-ai-integration[bot]@users.noreply.github.com", Actor{})},
		{"a commit by Codex", commit("Codex", "codex@openai.com", Actor{})},
		{"a branch of Copilot", func(f *Facts) { f.Change.HeadRef = "copilot/something" }},
		{"a branch of Codex", func(f *Facts) { f.Change.HeadRef = "codex/something" }},
		{"a marker", func(f *Facts) {
			f.Change.Markers = append(f.Change.Markers, "🤖 Generated with [Claude Code](https://claude.com/claude-code)")
		}},
		{"a push by Copilot", func(f *Facts) {
			f.Pushes = append(f.Pushes, Push{Seq: 5, After: "e" + strings.Repeat("0", 39), Pusher: copilot})
		}},
		{"a push by an unlisted bot", func(f *Facts) {
			f.Pushes = append(f.Pushes, Push{Seq: 5, After: "e" + strings.Repeat("0", 39), Pusher: Actor{ID: 55556, Login: "mystery", Type: TypeBot}})
		}},
	}
}

// withTrace is a copy of the facts with a trace. It shares what traces do not touch.
func withTrace(f *Facts, trace change) *Facts {
	out := *f
	out.Commits.Items = slices.Clone(f.Commits.Items)
	for i := range out.Commits.Items {
		out.Commits.Items[i].Trailers = slices.Clip(out.Commits.Items[i].Trailers)
	}
	out.Change.Markers, out.Pushes = slices.Clip(f.Change.Markers), slices.Clip(f.Pushes)
	trace.apply(&out)
	return &out
}

// An agent's trace must not help anybody, or people would leave them on purpose.
func TestTracesOfAgentsNeverTurnGreen(t *testing.T) {
	for _, s := range scenarios(t) {
		cat := Builtin().With(s.policy.Agents)
		before := s.evaluate()
		for _, a := range agentTraces() {
			f := withTrace(s.facts, a)
			after := Evaluate(s.policy, cat, f)
			if green(after) && !green(before) {
				t.Errorf("%s: turns green with %s (class %s, was %s)\n%s", s.name, a.name, after.Authorship.Class, before.Authorship.Class, shown(after))
			}
			for _, b := range agentTraces() {
				if a.name == "a commit by Copilot" && b.name == "a push by Copilot" {
					// That is no trace but GitHub's word that the agent pushed its commit
					// itself, which is what agent-identity asks for.
					continue
				}
				if green(Evaluate(s.policy, cat, withTrace(f, b))) && !green(after) {
					t.Errorf("%s: turns green with %s after %s", s.name, b.name, a.name)
				}
			}
		}
	}
}

// Titles and reasons are for people: present wherever something is to be done.
func TestEveryDecisionSaysWhatToDo(t *testing.T) {
	for _, s := range scenarios(t) {
		d := s.evaluate()
		if d.Title == "" || len(d.Title) > 200 {
			t.Errorf("%s: title %q", s.name, d.Title)
		}
		for _, r := range d.Rules {
			if r.Reason == "" || len(r.Facts) == 0 || r.Control == "" || r.Revision == 0 {
				t.Errorf("%s: incomplete result %+v", s.name, r)
			}
			if (r.Outcome == OutcomeFail || r.Outcome == OutcomePending) && r.Remedy == "" {
				t.Errorf("%s: %s does not say what to do", s.name, r.Rule)
			}
		}
		if d.Verdict != VerdictUndecided && len(d.Rules) < 6 {
			t.Errorf("%s: %d rules", s.name, len(d.Rules))
		}
	}
}

func FuzzEvaluate(f *testing.F) {
	all := scenarios(f)
	for i, s := range all {
		src, err := json.Marshal(s.facts)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src, uint8(i), uint64(i))
	}
	f.Fuzz(func(t *testing.T, src []byte, which uint8, seed uint64) {
		facts := &Facts{}
		if json.Unmarshal(src, facts) != nil {
			return
		}
		s := all[int(which)%len(all)]
		cat := Builtin().With(s.policy.Agents)
		d := Evaluate(s.policy, cat, facts)
		first := encoded(t, d)
		if !bytes.Equal(first, encoded(t, Evaluate(s.policy, cat, facts))) {
			t.Fatal("not deterministic")
		}
		status, conclusion := d.Status()
		if d.Mode != ModeAudit && (conclusion == conclusionNeutral || conclusion == "skipped") || conclusion == conclusionSuccess && d.Verdict != VerdictPass || status == "" {
			t.Fatalf("%s/%s for %s", status, conclusion, d.Verdict)
		}
		if !green(d) {
			r := rand.New(rand.NewPCG(seed, 1))
			possible := losses(facts)
			for range 3 {
				loss := possible[r.IntN(len(possible))]
				less := clone(t, facts)
				loss.apply(less)
				if green(Evaluate(s.policy, cat, less)) {
					t.Fatalf("turns green when %s", loss.name)
				}
			}
		}
		out := Render(d, Proof{})
		checkOutput(t, out)
	})
}

// An owner is asked for where an owner's approval helps, and nowhere else.
func TestOwnersAreAskedForWhereTheyHelp(t *testing.T) {
	source, tree := base(t)
	p, err := Parse(source)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		alter func(*Facts)
		want  bool
	}{
		"a workflow is changed":     {func(f *Facts) { f.Files.Items[0].Path = ".github/workflows/ci.yml" }, true},
		"tested for another branch": {func(f *Facts) { f.Change.OtherBases = []string{"elsewhere"} }, false},
		"tested in a stack":         {func(f *Facts) { f.Change.BaseRef = "below" }, false},
	} {
		f := factsOf(t, tree)
		c.alter(f)
		d := Evaluate(p, Builtin(), f)
		if d.Verdict != VerdictWaiting {
			t.Fatalf("%s: got %s: %s", name, d.Verdict, d.Title)
		}
		if got := strings.Contains(d.Approvers, "must be an owner"); got != c.want {
			t.Errorf("%s: %q", name, d.Approvers)
		}
	}
}
