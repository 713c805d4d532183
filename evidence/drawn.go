package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LeafDraw is the kind of the leaves that say which samples were drawn, of which period, by which
// seed: whoever drew until a sample pleased is found out.
const LeafDraw = "draw"

// Who gave a seed.
const (
	seedByAuditor = "auditor"
	seedByLog     = "log" // the checkpoint of the first leaf after the period
)

// DrawRecord is the body of such a leaf: everything that decides which items are picked.
//
// Field names and order are part of the evidence format; add, never change.
type DrawRecord struct {
	V    int       `json:"v"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Population is how many items there are, and PopulationSHA256 the digest of their ids.
	Population       int    `json:"population"`
	PopulationSHA256 string `json:"population_sha256"`
	// Plan gave the size; nil: the size was asked for.
	Plan *Plan `json:"plan,omitempty"`
	// Allowed is how many deviations the plan allows.
	Allowed int `json:"allowed_deviations,omitempty"`
	// Sizes are how many items are drawn, by stratum.
	Sizes     map[string]int `json:"sizes"`
	Seed      Seed           `json:"seed"`
	SeedBy    string         `json:"seed_by"`             // "auditor" or "log"
	SeedLeaf  int64          `json:"seed_leaf,omitempty"` // the leaf whose checkpoint it was derived from
	Algorithm string         `json:"algorithm"`
	// Replaced are the items that could not be tested, each with the one that takes its place.
	Replaced []Replaced `json:"replaced,omitempty"`
}

// Replaced is an item that could not be tested, why, and the item that takes its place.
//
// Field names and order are part of the evidence format; add, never change.
type Replaced struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
	By     Drawn  `json:"by"`
}

// recordedDraw is a draw with the leaf that recorded it.
type recordedDraw struct {
	DrawRecord
	leaf int64
	at   time.Time
	body []byte
}

// size is how many items are drawn in all.
func (d DrawRecord) size() (n int) {
	for _, s := range d.Sizes {
		n += s
	}
	return n
}

// newDraw works out the draw that a query asks for.
func newDraw(q Query, list []Item, after afterPeriod) (d DrawRecord, err error) {
	s := q.Sample
	d = DrawRecord{V: 1, From: q.From, To: q.To, Population: len(list), PopulationSHA256: Digest(list), Plan: s.Plan, Algorithm: DrawAlgorithm}
	n := s.Size
	if s.Plan != nil {
		plan := *s.Plan
		if plan.Population = len(list); plan.Population == 0 {
			return d, fmt.Errorf("%w: nothing reached an enrolled branch in the period, so there is nothing to draw from", ErrExport)
		}
		size, err := SampleSize(plan)
		if err != nil {
			return d, err
		}
		d.Plan, n, d.Allowed = &plan, size.N, size.Allowed
	}
	counts := map[string]int{}
	for _, item := range list {
		counts[item.Stratum]++
	}
	d.Sizes = Allocate(min(n, len(list)), counts)
	if d.Seed, d.SeedBy = s.Seed, seedByAuditor; len(s.Seed) == 0 {
		if after.text == "" {
			return d, fmt.Errorf("%w: nothing was recorded after the period yet, so no seed can be derived from the log: give one, or export when the period is over", ErrExport)
		}
		d.Seed, d.SeedBy, d.SeedLeaf = SeedOfCheckpoint(after.text, purposeOf(q)), seedByLog, after.leaf
	}
	return d, nil
}

// purposeOf tells the draws of one checkpoint apart.
func purposeOf(q Query) string {
	return fmt.Sprintf("%s/%s/%t", moment(q.From), moment(q.To), q.Sample.ByClass)
}

// afterPeriod is the first leaf that was recorded after the period, with the text of the
// checkpoint that ends with it: nobody could foresee it in the period.
type afterPeriod struct {
	leaf int64
	text string // empty: there is none
}

func (d DrawRecord) encode() ([]byte, error) {
	body, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode draw: %w", err)
	}
	return body, nil
}

// drawsTable lists every draw of the log that is of the same time, in part or whole.
func drawsTable(draws []recordedDraw, q Query) table {
	t := table{name: "draws", title: "Draws", columns: []string{"leaf", "recorded_at", "from", "to", "population", "population_sha256", "size", "sizes", "seed", "seed_by", "seed_leaf", "algorithm", "replaced"}}
	for _, d := range draws {
		if !d.From.Before(q.To) || !q.From.Before(d.To) {
			continue
		}
		t.rows = append(t.rows, []string{number64(d.leaf), moment(d.at), moment(d.From), moment(d.To), strconv.Itoa(d.Population), d.PopulationSHA256, strconv.Itoa(d.size()),
			sizesText(d.Sizes), fmt.Sprintf("%x", []byte(d.Seed)), d.SeedBy, orNone(d.SeedLeaf), d.Algorithm, replacedText(d.Replaced)})
	}
	return t
}

func sizesText(sizes map[string]int) string {
	var out []string
	for _, stratum := range slices.Sorted(maps.Keys(sizes)) {
		out = append(out, fmt.Sprintf("%s: %d", cmp.Or(stratum, "all"), sizes[stratum]))
	}
	return strings.Join(out, ", ")
}
