package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// However many somebody posts, each is told once, and those that do harm are told.
func TestAFloodHidesNoImpostor(t *testing.T) {
	all := scenarios(t)
	s := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "impostor-where-the-check-is-not-pinned" })]
	f := clone(t, s.facts)
	i := slices.IndexFunc(f.Validations.Items, func(v Validation) bool { return v.Name == "countersign" })
	harmful := f.Validations.Items[i]
	for id := range int64(60) {
		v := harmful
		v.ID, v.Name = 100+id, fmt.Sprintf("countersign (%d)", id%30)
		f.Validations.Items = append(f.Validations.Items, v)
	}
	again := harmful
	again.ID++
	f.Validations.Items = append(f.Validations.Items, again)
	f.Validations.Total = len(f.Validations.Items)
	d := Evaluate(s.policy, Builtin(), f)
	if len(d.Impostors) != maxImpostors || !d.Impostors[0].Harmful || d.Impostors[0].ID != harmful.ID || d.Impostors[1].Harmful {
		t.Errorf("got %+v", d.Impostors)
	}
	text := Render(d, Proof{}).Summary
	if got := strings.Count(text, "Not ours"); got != maxImpostors {
		t.Errorf("told %d times, want %d", got, maxImpostors)
	}
}

// To GitHub a commit status is the same one in any case, and a check run is not.
func TestAStatusInCapitalsIsTakenForOurs(t *testing.T) {
	all := scenarios(t)
	s := all[slices.IndexFunc(all, func(s scenario) bool { return s.name == "impostor-where-the-check-is-not-pinned" })]
	for kind, harmful := range map[string]bool{KindStatus: true, KindCheckRun: false} {
		f := clone(t, s.facts)
		i := slices.IndexFunc(f.Validations.Items, func(v Validation) bool { return v.Name == "countersign" })
		f.Validations.Items[i].Kind, f.Validations.Items[i].Name = kind, "COUNTERSIGN"
		if d := Evaluate(s.policy, Builtin(), f); len(d.Impostors) != 1 || d.Impostors[0].Harmful != harmful {
			t.Errorf("a %s: got %+v, want harmful %t", kind, d.Impostors, harmful)
		}
	}
}
