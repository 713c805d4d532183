package policy

import (
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The same settings have the same bytes, whatever order GitHub lists them in and whoever
// attested them; other settings have others.
func TestSettingsDoNotDependOnTheOrder(t *testing.T) {
	_, tree := base(t)
	p := factsOf(t, tree).Protection
	p.Bypass = append(p.Bypass, Bypass{RulesetID: 7, State: BypassThese, Actors: []BypassActor{{Type: "User", ID: 2}, {Type: "Team", ID: 1}}})
	want, err := p.Settings()
	if err != nil {
		t.Fatal(err)
	}
	q := p
	q.Rules.Items, q.Bypass, q.Why = slices.Clone(p.Rules.Items), slices.Clone(p.Bypass), "slow today"
	slices.Reverse(q.Rules.Items)
	slices.Reverse(q.Bypass)
	for i := range q.Rules.Items {
		q.Rules.Items[i].RequiredChecks = slices.Clone(q.Rules.Items[i].RequiredChecks)
		slices.Reverse(q.Rules.Items[i].RequiredChecks)
	}
	q.Bypass[0].Actors = slices.Clone(q.Bypass[0].Actors)
	slices.Reverse(q.Bypass[0].Actors)
	q.Bypass[1].Attested = &AttestedBypass{LeafIndex: 5}
	if got, err := q.Settings(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	q.Rules.Items = q.Rules.Items[1:]
	if got, _ := q.Settings(); bytes.Equal(got, want) {
		t.Error("a rule less has the same bytes")
	}
}

// Whose word a decision rests on is told in the same order, however GitHub lists the rules.
func TestAttestedListsDoNotDependOnTheOrder(t *testing.T) {
	all := scenarios(t)
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == "attested-nobody" })
	s := all[i]
	f := clone(t, s.facts)
	second := f.Protection.Bypass[0]
	second.RulesetID = 7
	f.Protection.Bypass = append(f.Protection.Bypass, second)
	f.Protection.Rules.Items[0].RulesetID = 7
	want := encoded(t, Evaluate(s.policy, Builtin(), f))
	slices.Reverse(f.Protection.Rules.Items)
	slices.Reverse(f.Protection.Bypass)
	if got := encoded(t, Evaluate(s.policy, Builtin(), f)); !bytes.Equal(got, want) {
		t.Errorf("another order gives\n%s\nwant\n%s", got, want)
	}
	// The same guard from both: which is looked at first says nothing.
	more := f.Protection.Rules.Items
	for _, r := range f.Protection.Rules.Items {
		r.RulesetID = 38 - r.RulesetID
		more = append(more, r)
	}
	f.Protection.Rules.Items = more
	want = encoded(t, Evaluate(s.policy, Builtin(), f))
	slices.Reverse(f.Protection.Rules.Items)
	if got := encoded(t, Evaluate(s.policy, Builtin(), f)); !bytes.Equal(got, want) {
		t.Errorf("another order gives\n%s\nwant\n%s", got, want)
	}
	// And with lists that nobody could read.
	for i := range f.Protection.Bypass {
		f.Protection.Bypass[i].Attested = nil
	}
	want = encoded(t, Evaluate(s.policy, Builtin(), f))
	slices.Reverse(f.Protection.Rules.Items)
	if got := encoded(t, Evaluate(s.policy, Builtin(), f)); !bytes.Equal(got, want) {
		t.Errorf("another order of unreadable lists gives\n%s\nwant\n%s", got, want)
	}
}

// An owner pastes the command that the check run shows, with their token at hand, and anybody
// with write access names branches: a name is one argument of the command and nothing else.
func TestTheCommandIsSafeToPaste(t *testing.T) {
	all := scenarios(t)
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == "bypass-unreadable-attested" })
	at := []string{"protect", "attest", "--server", "https://YOUR-COUNTERSIGN", "--repo", "acme/shop", "--branch"}
	for branch, want := range map[string]string{
		"main": "main", "release/1.2_x-3": "release/1.2_x-3", "release/#12-34": "release/#12-34", "release/ü": "release/ü",
		"release/$(curl${IFS}evil)": "release/$(curl${IFS}evil)", "release/x;curl${IFS}evil": "release/x;curl${IFS}evil",
		"release/it's;id": "release/it's;id", "release/\"$HOME\"!!": "release/\"$HOME\"!!", "release/a\\nb": "release/a\\nb",
		"release/" + strings.Repeat("'", 290): "release/" + strings.Repeat("'", 290),
		// What a code span cannot show.
		"release/`id`": "YOUR-BRANCH", "release/x|sh": "YOUR-BRANCH", "release/x&id": "YOUR-BRANCH", "release/<x>": "YOUR-BRANCH",
		"release/@acme": "YOUR-BRANCH", "release/\u202ex": "YOUR-BRANCH", "release/a\nid": "YOUR-BRANCH", "release/" + strings.Repeat("x", 2000): "YOUR-BRANCH",
	} {
		f := clone(t, all[i].facts)
		f.Change.BaseRef, f.Change.GoverningRef, f.Protection.Ref = branch, branch, branch
		p := *all[i].policy
		p.Branches = []string{"main", "release/**"}
		p.enrolled = nil
		out := Render(Evaluate(&p, Builtin(), f), Proof{})
		checkOutput(t, out)
		spans := regexp.MustCompile("`countersign [^`]*`").FindAllString(out.Summary, -1)
		if len(spans) != 2 { // what to do next, and the row of the rule
			t.Errorf("%q: %d commands in\n%s", branch, len(spans), out.Summary)
		}
		for _, span := range spans {
			if got := pasted(t, strings.Trim(span, "`")); !slices.Equal(got, append(slices.Clone(at), want)) {
				t.Errorf("%q: the shell runs countersign with %q", branch, got)
			}
		}
	}
}

// pasted are the arguments that a shell gives to countersign when a line is pasted into it.
func pasted(t *testing.T, line string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "countersign() { printf '%s\\0' \"$@\"; }\n"+line).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
