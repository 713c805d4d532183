package evidence

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/policy"
)

const testSeed = "8f1c0b7a5d2e49638f1c0b7a5d2e4963"

// many is a period of passing changes of agents and of a person, with one that was merged while failing.
func many(t *testing.T, sample *SampleQuery) *period {
	p := newPeriod(t, sample)
	for n := range 20 {
		var change func(*policy.Facts)
		switch {
		case n == 3:
			change = func(f *policy.Facts) { f.Reviews.Items = nil }
		case n%2 == 1:
			change = byDave
		}
		p.update(policy.UpdateMerge, []policy.MergedChange{merged(100+n, p.decide(p.facts(100+n, change)))}, nil)
	}
	return p
}

func (p *period) resultsOf(f *findings) results {
	p.t.Helper()
	var r results
	p.must(json.Unmarshal(p.document(f, "results.json"), &r))
	return r
}

func TestResultsGolden(t *testing.T) {
	p := month(t, &SampleQuery{Size: 6, ByClass: true, Seed: seed(t, testSeed)})
	f := p.findings()
	golden(t, "results.json", p.document(f, "results.json"))
	golden(t, "sample.csv", p.document(f, "sample.csv"))
}

func TestResults(t *testing.T) {
	t.Run("by a plan", func(t *testing.T) {
		p := many(t, &SampleQuery{Plan: &Plan{Confidence: 90_000, Tolerable: 20_000}, Seed: seed(t, testSeed)})
		r := p.resultsOf(p.findings())
		if s := r.Sample; s.Confidence != 90_000 || s.ConfidenceBy != "plan" || s.All.Tested != 9 || len(s.Strata) != 0 {
			t.Errorf("got %+v", s)
		}
		want, err := UpperRate(20, 9, r.Sample.All.Deviations, 90_000)
		if err != nil || *r.Sample.All.UpperRate != want {
			t.Errorf("got %v, want %v (%v)", r.Sample.All.UpperRate, want, err)
		}
		if all := r.Population.All; all.Tested != 20 || all.Deviations != 1 || *all.Rate != 5_000 {
			t.Errorf("the population: got %+v", all)
		}
	})
	t.Run("all of it", func(t *testing.T) {
		p := many(t, &SampleQuery{Size: 20, ByClass: true, Seed: seed(t, testSeed)})
		s := p.resultsOf(p.findings()).Sample
		if s.ConfidenceBy != "default" || s.All.Deviations != 1 || *s.All.UpperRate != 5_000 || len(s.Strata) != 2 {
			t.Errorf("got %+v", s)
		}
		if b := s.Attributes[1]; b.Attribute != "B" || b.Pass != 19 || b.Deviation != 1 {
			t.Errorf("got %+v", b)
		}
	})
	t.Run("without a sample", func(t *testing.T) {
		p := many(t, nil)
		if r := p.resultsOf(p.findings()); r.Sample != nil || r.Population.All.Tested != 20 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("of nothing", func(t *testing.T) {
		p := newPeriod(t, nil)
		if r := p.resultsOf(p.findings()); r.Population.All.Rate != nil {
			t.Errorf("got %+v", r)
		}
	})
}

func TestReplacement(t *testing.T) {
	sampled := func(t *testing.T, replace ...Replace) (*period, *SampleQuery) {
		q := &SampleQuery{Size: 4, Seed: seed(t, testSeed), Replace: replace}
		return many(t, q), q
	}
	p, _ := sampled(t)
	first := p.findings().drawn
	if slices.ContainsFunc(first, func(d Drawn) bool { return strings.HasSuffix(d.ID, "/103") }) {
		t.Fatal("the deviating item is in this sample: take another seed")
	}
	t.Run("the next takes its place, and is replaced in its turn", func(t *testing.T) {
		p, q := sampled(t)
		next, err := Replacement(items(p.contents.changes, false), q.Seed, "", 4)
		p.must(err)
		p, _ = sampled(t, Replace{first[0].ID, "imported"}, Replace{next.ID, "imported, too"})
		f := p.findings()
		rows := p.rowsOf(f, "sample.csv")
		if len(rows) != 6 || f.sampled() != 4 || f.counts.Sample != 4 || p.resultsOf(f).Sample.All.Tested != 4 {
			t.Fatalf("%d rows, %d tested", len(rows), f.sampled())
		}
		if r := rows[0]; r["id"] != first[0].ID || r["replaced_by"] != next.ID || r["replaced_because"] != "imported" {
			t.Errorf("got %v", r)
		}
		if r := rows[4]; r["id"] != next.ID || r["replaced_by"] != rows[5]["id"] {
			t.Errorf("got %v", r)
		}
		if draws := p.rowsOf(f, "draws.csv"); !strings.Contains(draws[0]["replaced"], "imported, too") {
			t.Errorf("got %v", draws)
		}
		if !f.shown(*f.byID[first[0].ID]) {
			t.Error("what was replaced is not shown any more")
		}
	})
	for _, test := range []struct {
		name, want string
		replace    []Replace
	}{
		{"an item that was not drawn", "is not in the sample", []Replace{{"1/9/9", "why"}}},
		{"without a reason", "for a reason", []Replace{{first[0].ID, " "}}},
		{"twice", "replaced once", []Replace{{first[0].ID, "a"}, {first[0].ID, "b"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, q := sampled(t, test.replace...)
			err := p.contents.query.check()
			if err == nil {
				_, _, _, err = p.contents.draw()
			}
			if !errors.Is(err, ErrExport) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v: got %v", q, err)
			}
		})
	}
	t.Run("a deviation", func(t *testing.T) {
		p := many(t, &SampleQuery{Size: 20, Seed: seed(t, testSeed), Replace: []Replace{{"1/504/103", "it spoils the figures"}}})
		if _, _, _, err := p.contents.draw(); !errors.Is(err, ErrExport) || !strings.Contains(err.Error(), "deviates") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a direct push", func(t *testing.T) {
		p := month(t, &SampleQuery{Size: 12, Seed: seed(t, testSeed), Replace: []Replace{{"1/509/0", "it spoils the figures"}}})
		if _, _, _, err := p.contents.draw(); !errors.Is(err, ErrExport) || !strings.Contains(err.Error(), "deviates") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("none left", func(t *testing.T) {
		p := many(t, &SampleQuery{Size: 20, Seed: seed(t, testSeed), Replace: []Replace{{first[0].ID, "imported"}}})
		if _, _, _, err := p.contents.draw(); !errors.Is(err, ErrExport) || !errors.Is(err, ErrDraw) {
			t.Errorf("got %v", err)
		}
	})
}
