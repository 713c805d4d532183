package policy

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// mixed puts a change together from parts of different cases: the reviews of one, the
// validations of another, under the policy of a third.
func mixed(r *rand.Rand, all []scenario) (*Policy, *Facts) {
	pick := func() *Facts { return all[r.IntN(len(all))].facts }
	f := *pick()
	f.V, f.Change.HeadSHA = FactsVersion, all[0].facts.Change.HeadSHA
	for _, take := range []func(from *Facts){
		func(from *Facts) { f.Reviews = from.Reviews },
		func(from *Facts) { f.Reviews.Items = append(slices.Clip(f.Reviews.Items), from.Reviews.Items...) },
		func(from *Facts) { f.Validations = from.Validations },
		func(from *Facts) { f.Protection = from.Protection },
		func(from *Facts) { f.Commits = from.Commits },
		func(from *Facts) { f.Pushes = from.Pushes },
		func(from *Facts) { f.Assignments = from.Assignments },
		func(from *Facts) { f.Files = from.Files },
		func(from *Facts) { f.Teams = from.Teams },
		func(from *Facts) { f.Change.Author, f.Change.HeadRef = from.Change.Author, from.Change.HeadRef },
	} {
		if r.IntN(3) == 0 {
			take(pick())
		}
	}
	f.Reviews.Items = slices.Clone(f.Reviews.Items)
	for i := range f.Reviews.Items {
		if r.IntN(4) == 0 {
			f.Reviews.Items[i].ID = int64(501 + r.IntN(5))
		}
	}
	// A review id is one review.
	slices.SortStableFunc(f.Reviews.Items, func(a, b Review) int { return cmp.Compare(a.ID, b.ID) })
	f.Reviews.Items = slices.CompactFunc(f.Reviews.Items, func(a, b Review) bool { return a.ID == b.ID })
	return all[r.IntN(len(all))].policy, &f
}

// checkMixed checks every property on one mixed change.
func checkMixed(t *testing.T, all []scenario, seed uint64) (isGreen bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	p, f := mixed(r, all)
	cat := Builtin().With(p.Agents)
	before := Evaluate(p, cat, f)
	want := shown(before)

	g := clone(t, f)
	shuffle(r, g)
	if got := shown(Evaluate(p, cat, g)); got != want {
		t.Errorf("seed %d: another order gives\n%s\nwant\n%s", seed, got, want)
	}
	if green(before) {
		return true
	}
	for _, loss := range losses(f) {
		if r.IntN(8) != 0 {
			continue
		}
		if p.Protection.UnreadableBypass == bypassDetect && strings.Contains(loss.name, "bypass list") {
			continue // the policy lets pass what cannot be read, and not what is open
		}
		less := clone(t, f)
		loss.apply(less)
		if d := Evaluate(p, cat, less); green(d) {
			t.Errorf("seed %d: turns green when %s; before:\n%s", seed, loss.name, want)
		}
	}
	for _, trace := range agentTraces() {
		if trace.name == "a push by Copilot" {
			continue // GitHub's word that the agent pushed itself; see TestTracesOfAgentsNeverTurnGreen
		}
		if d := Evaluate(p, cat, withTrace(f, trace)); green(d) {
			t.Errorf("seed %d: turns green with %s; before:\n%s\nafter:\n%s", seed, trace.name, want, shown(d))
		}
	}
	return false
}

func TestMixedCases(t *testing.T) {
	all := scenarios(t)
	greens := 0
	const n = 1500
	for seed := range uint64(n) {
		if checkMixed(t, all, seed) {
			greens++
		}
	}
	if greens == 0 || greens == n {
		t.Errorf("%d of %d mixed changes are green: the mixture tests nothing", greens, n)
	}
	t.Logf("%d of %d mixed changes are green", greens, n)
}

func FuzzMixedCases(f *testing.F) {
	all := scenarios(f)
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkMixed(t, all, seed) })
}
