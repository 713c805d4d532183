package evidence

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func population(n int) []Item {
	out := make([]Item, n)
	for i := range out {
		out[i] = Item{ID: fmt.Sprintf("4100000001/%040x", i), Stratum: []string{"agent", "human", "automation"}[i%3]}
	}
	return out
}

func seed(t testing.TB, text string) (s Seed) {
	t.Helper()
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return s
}

// The draw of this seed is evidence: another program comes to the same items.
func TestDrawGolden(t *testing.T) {
	items := population(30)
	s := seed(t, "000102030405060708090a0b0c0d0e0f")
	got, err := Draw(items, s, map[string]int{"agent": 2, "human": 1, "automation": 0})
	if err != nil {
		t.Fatal(err)
	}
	want := goldenDraw
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Digest(items); got != goldenDigest {
		t.Errorf("digest of the population: got %s, want %s", got, goldenDigest)
	}
	if got := Digest(items[1:]); got == goldenDigest {
		t.Error("a population without one item has the same digest")
	}
}

func TestDrawDependsOnTheSetAndTheSeedAlone(t *testing.T) {
	items, s, sizes := population(300), seed(t, strings.Repeat("ab", 16)), map[string]int{"agent": 20, "human": 10, "automation": 1000}
	first, err := Draw(items, s, sizes)
	if err != nil || len(first) != 130 {
		t.Fatalf("got %d items, %v, want 20, 10 and all 100", len(first), err)
	}
	digest := Digest(items)
	for range 5 {
		rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		again, err := Draw(items, s, sizes)
		if err != nil || !slices.Equal(first, again) || Digest(items) != digest {
			t.Fatalf("another order gives another sample: %v", err)
		}
	}
	other, err := Draw(items, seed(t, strings.Repeat("cd", 16)), sizes)
	if err != nil || slices.Equal(first, other) {
		t.Errorf("another seed gives the same sample: %v", err)
	}
	// A larger sample begins with the smaller one, and replacements go on from there.
	larger, err := Draw(items, s, map[string]int{"agent": 21, "human": 10, "automation": 1000})
	if err != nil || !slices.Equal(larger[:20], first[:20]) {
		t.Fatalf("a larger sample is another one: %v", err)
	}
	if next, err := Replacement(items, s, "agent", 20); err != nil || next != larger[20] {
		t.Errorf("got %+v, %v, want %+v", next, err, larger[20])
	}
	if _, err := Replacement(items, s, "agent", 100); !errors.Is(err, ErrDraw) {
		t.Errorf("all are taken: got %v, want ErrDraw", err)
	}
}

// Every item is as likely as any other.
func TestDrawIsFair(t *testing.T) {
	items := population(60)
	for i := range items {
		items[i].Stratum = ""
	}
	counts := map[string]int{}
	const draws, n = 6000, 6
	for i := range draws {
		got, err := Draw(items, SeedOfCheckpoint(fmt.Sprint(i), "fair"), map[string]int{"": n})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range got {
			counts[d.ID]++
		}
	}
	// 600 each; six standard deviations are 139.
	for id, c := range counts {
		if c < 461 || c > 739 {
			t.Errorf("%s was drawn %d times of %d, want about %d", id, c, draws, draws*n/len(items))
		}
	}
	if len(counts) != len(items) {
		t.Errorf("%d of %d items were ever drawn", len(counts), len(items))
	}
}

func TestDrawsThatAreRefused(t *testing.T) {
	s := seed(t, strings.Repeat("ab", 16))
	for what, tt := range map[string]struct {
		items []Item
		seed  Seed
		sizes map[string]int
	}{
		"a short seed":            {population(3), s[:15], map[string]int{"agent": 1, "human": 1, "automation": 1}},
		"an id twice":             {append(population(3), population(1)...), s, map[string]int{"agent": 1, "human": 1, "automation": 1}},
		"a stratum without size":  {population(3), s, map[string]int{"agent": 1}},
		"a stratum without items": {population(1), s, map[string]int{"agent": 1, "human": 1}},
		"less than nothing":       {population(1), s, map[string]int{"agent": -1}},
	} {
		if got, err := Draw(tt.items, tt.seed, tt.sizes); !errors.Is(err, ErrDraw) {
			t.Errorf("%s: got %v, %v, want ErrDraw", what, got, err)
		}
	}
	for _, bad := range []string{"", "xyz", strings.Repeat("ab", 15), strings.Repeat("ab", 65)} {
		var s Seed
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is read as a seed", bad)
		}
	}
}

func TestAllocate(t *testing.T) {
	for _, tt := range []struct {
		n      int
		counts map[string]int
		want   map[string]int
	}{
		{10, map[string]int{"a": 50, "b": 50}, map[string]int{"a": 5, "b": 5}},
		{25, map[string]int{"agent": 900, "human": 90, "emergency": 3}, map[string]int{"agent": 22, "human": 2, "emergency": 1}},
		{3, map[string]int{"agent": 900, "human": 90, "emergency": 3}, map[string]int{"agent": 1, "human": 1, "emergency": 1}},
		{2, map[string]int{"agent": 900, "human": 90, "emergency": 3}, map[string]int{"agent": 1, "human": 1, "emergency": 0}},
		{50, map[string]int{"agent": 2, "human": 3}, map[string]int{"agent": 2, "human": 3}},
		{5, map[string]int{"agent": 9, "none": 0}, map[string]int{"agent": 5, "none": 0}},
		{5, map[string]int{}, map[string]int{}},
	} {
		got := Allocate(tt.n, tt.counts)
		if !maps.Equal(got, tt.want) {
			t.Errorf("%d of %v: got %v, want %v", tt.n, tt.counts, got, tt.want)
		}
	}
}

// goldenDraw and goldenDigest were computed by another program, in another language.
var goldenDraw = []Drawn{
	{ID: "4100000001/0000000000000000000000000000000000000012", Stratum: "agent", Place: 1},
	{ID: "4100000001/000000000000000000000000000000000000000c", Stratum: "agent", Place: 2},
	{ID: "4100000001/0000000000000000000000000000000000000013", Stratum: "human", Place: 1},
}

const goldenDigest = "8654a692b9a2c59ec95301177819f38874e1f55c9136ea246edf03076d7b6a58"
