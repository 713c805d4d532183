package evidence

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// DrawAlgorithm names how items are picked: items are ordered by the HMAC-SHA256 of their id
// under the seed, and the first ones are taken. Whoever has the ids and the seed picks the same.
const DrawAlgorithm = "hmac-sha256/1"

// minSeed is the least length of a seed, in bytes: fewer could be tried until the sample pleases.
const minSeed = 16

// Seed decides which items are picked. It is chosen by the auditor, or fixed before anybody knows
// the population.
type Seed []byte

// MarshalText writes the seed in hexadecimal.
func (s Seed) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(s)), nil }

// UnmarshalText reads a seed of at least 16 bytes in hexadecimal.
func (s *Seed) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) < minSeed || len(b) > 64 {
		return fmt.Errorf("%q is not a seed: write %d to 64 bytes in hexadecimal", text, minSeed)
	}
	*s = b
	return nil
}

// SeedOfCheckpoint derives a seed from a checkpoint of the log that nobody could foresee: the first
// that witnesses cosigned after the period. text is what was signed, without the lines of the
// signatures, which could be added or put in another order until the sample pleases. purpose
// tells the draws of one checkpoint apart.
func SeedOfCheckpoint(text, purpose string) Seed {
	h := sha256.New()
	fmt.Fprintf(h, "countersign sample draw\n%d\n%s\n", len(purpose), purpose)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// Item is one item of a population.
type Item struct {
	// ID is what it is drawn by: it stays the same for ever, and no other item has it.
	ID string
	// Stratum is what it is counted with; empty: everything is one.
	Stratum string
}

// Drawn is one item of a sample.
type Drawn struct {
	ID      string `json:"id"`
	Stratum string `json:"stratum,omitempty"`
	// Place is its place in the order of its stratum, from 1. A place above the sample's size
	// takes the place of an item that could not be tested.
	Place int `json:"place"`
}

// ErrDraw: the population cannot be drawn from.
var ErrDraw = errors.New("the sample cannot be drawn")

// Draw picks a sample: of every stratum as many items as sizes says, all of it if it has no more.
// What it returns is ordered by stratum and place, and depends on nothing but the set of items,
// the seed and the sizes. It returns ErrDraw for a short seed, for an id that is there twice, and
// for a stratum that sizes does not name or that has no items.
func Draw(items []Item, seed Seed, sizes map[string]int) ([]Drawn, error) {
	strata, err := ordered(items, seed)
	if err != nil {
		return nil, err
	}
	for name := range strata {
		if _, named := sizes[name]; !named {
			return nil, fmt.Errorf("%w: the stratum %q has items, and no size", ErrDraw, name)
		}
	}
	var out []Drawn
	for name, n := range sizes {
		order := strata[name]
		if n < 0 || n > 0 && len(order) == 0 {
			return nil, fmt.Errorf("%w: %d items of the stratum %q, which has %d", ErrDraw, n, name, len(order))
		}
		for i, item := range order[:min(n, len(order))] {
			out = append(out, Drawn{ID: item.ID, Stratum: name, Place: i + 1})
		}
	}
	slices.SortFunc(out, func(a, b Drawn) int { return cmp.Or(cmp.Compare(a.Stratum, b.Stratum), a.Place-b.Place) })
	return out, nil
}

// Replacement is the item that takes the place of one that could not be tested: the next in the
// order of its stratum after those that were drawn and those that replaced others. An item whose
// evidence is missing is a deviation and is not replaced. It returns ErrDraw when there is none.
func Replacement(items []Item, seed Seed, stratum string, taken int) (Drawn, error) {
	strata, err := ordered(items, seed)
	if err != nil {
		return Drawn{}, err
	}
	order := strata[stratum]
	if taken < 0 || taken >= len(order) {
		return Drawn{}, fmt.Errorf("%w: all %d items of the stratum %q are taken", ErrDraw, len(order), stratum)
	}
	return Drawn{ID: order[taken].ID, Stratum: stratum, Place: taken + 1}, nil
}

// ordered are the strata in the order in which their items are picked.
func ordered(items []Item, seed Seed) (map[string][]Item, error) {
	if len(seed) < minSeed {
		return nil, fmt.Errorf("%w: the seed has %d bytes, and %d are needed", ErrDraw, len(seed), minSeed)
	}
	type keyed struct {
		Item
		key []byte
	}
	all := make([]keyed, len(items))
	seen := make(map[string]bool, len(items))
	for i, item := range items {
		if seen[item.ID] {
			return nil, fmt.Errorf("%w: the id %q is there twice", ErrDraw, item.ID)
		}
		seen[item.ID] = true
		mac := hmac.New(sha256.New, seed)
		mac.Write([]byte(item.ID))
		all[i] = keyed{item, mac.Sum(nil)}
	}
	slices.SortFunc(all, func(a, b keyed) int { return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(a.ID, b.ID)) })
	strata := map[string][]Item{}
	for _, k := range all {
		strata[k.Stratum] = append(strata[k.Stratum], k.Item)
	}
	return strata, nil
}

// Allocate shares n items of a sample out among strata in proportion to their sizes, by largest
// remainders, at least one to each that has items as long as n reaches. The same counts give the
// same shares.
func Allocate(n int, counts map[string]int) map[string]int {
	out := map[string]int{}
	var names []string
	total := 0
	for name, count := range counts {
		if out[name] = 0; count > 0 {
			names = append(names, name)
			total += count
		}
	}
	// The largest first, then by name: whatever is left goes to them.
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	n = min(n, total)
	left := n
	for _, name := range names {
		if left > 0 {
			out[name], left = 1, left-1
		}
	}
	for left > 0 {
		name := mostOwed(names, counts, out, n, total)
		out[name]++
		left--
	}
	return out
}

// mostOwed is the stratum that is furthest below its share of n items.
func mostOwed(names []string, counts, given map[string]int, n, total int) (name string) {
	var most int64
	for _, candidate := range names {
		owed := int64(n)*int64(counts[candidate]) - int64(given[candidate])*int64(total)
		if given[candidate] < counts[candidate] && (name == "" || owed > most) {
			name, most = candidate, owed
		}
	}
	return name
}

// Digest is the digest of a population: of its ids and strata, in any order. A sample names it, so
// that a draw from other items shows.
func Digest(items []Item) string {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, func(a, b Item) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Stratum, b.Stratum)) })
	h := sha256.New()
	write := func(s string) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	for _, item := range sorted {
		write(item.ID)
		write(item.Stratum)
	}
	return hex.EncodeToString(h.Sum(nil))
}
