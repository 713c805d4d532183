package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/policy"
)

// replace puts the next item of the order in the place of each that could not be tested. An item
// that deviates is not replaced, and neither is one whose evidence is missing: that is a deviation.
func (d *DrawRecord) replace(wanted []Replace, list []Item, changes []change) error {
	if len(wanted) == 0 {
		return nil
	}
	drawn, err := Draw(list, d.Seed, d.Sizes)
	if err != nil {
		return err
	}
	taken := map[string]int{}
	for stratum, n := range d.Sizes {
		taken[stratum] = n
	}
	for _, w := range wanted {
		i := slices.IndexFunc(drawn, func(x Drawn) bool { return x.ID == w.ID })
		at := slices.IndexFunc(changes, func(c change) bool { return c.id() == w.ID })
		switch {
		case i < 0 || at < 0:
			return fmt.Errorf("%w: %s is not in the sample, so nothing takes its place", ErrExport, w.ID)
		case changes[at].deviates() || changes[at].held():
			return fmt.Errorf("%w: %s deviates, or its evidence is missing, which is a deviation: it is not replaced", ErrExport, w.ID)
		}
		stratum := drawn[i].Stratum
		next, err := Replacement(list, d.Seed, stratum, taken[stratum])
		if err != nil {
			return errors.Join(ErrExport, err)
		}
		taken[stratum]++
		drawn = append(drawn, next)
		d.Replaced = append(d.Replaced, Replaced{w.ID, w.Reason, next})
	}
	return nil
}

// held says whether the newest decision before the merge was not a pass, and no merge group's was
// there instead. On a branch in audit mode that is no finding. Before it was enrolled there could
// be none.
func (c change) held() bool {
	return !c.update.earlier && c.number != 0 && c.update.group < 0 && c.verdict != policy.VerdictPass
}

// withReplacements are what was drawn and what replaced some of it, by stratum and place.
func (d DrawRecord) withReplacements(drawn []Drawn) []Drawn {
	out := slices.Clone(drawn)
	for _, r := range d.Replaced {
		out = append(out, r.By)
	}
	slices.SortFunc(out, func(a, b Drawn) int { return cmp.Or(cmp.Compare(a.Stratum, b.Stratum), a.Place-b.Place) })
	return out
}

// replaced is what came in the place of an item; false: nothing did, and it is tested.
func (f *findings) replaced(id string) (Replaced, bool) {
	if f.draw == nil {
		return Replaced{}, false
	}
	i := slices.IndexFunc(f.draw.Replaced, func(r Replaced) bool { return r.ID == id })
	if i < 0 {
		return Replaced{}, false
	}
	return f.draw.Replaced[i], true
}

// sampled is how many items are tested: those that were replaced are not.
func (f *findings) sampled() int {
	if f.draw == nil {
		return 0
	}
	return len(f.drawn) - len(f.draw.Replaced)
}

// sampleTable is the sample as a table, with what was replaced.
func (f *findings) sampleTable() table {
	t := table{name: "sample", title: "Sample", columns: []string{"place", "stratum", "id", "repository", "branch", "pull_request", "commit", "at", "class", "verdict", "findings", "deviation", "replaced_by", "replaced_because"}}
	for _, d := range f.drawn {
		c := f.byID[d.ID]
		r, _ := f.replaced(d.ID)
		t.rows = append(t.rows, []string{strconv.Itoa(d.Place), d.Stratum, d.ID, c.update.repository, c.update.ref, orNone(int64(c.number)), c.update.after, moment(c.update.at),
			c.stratum(), string(c.verdict), strings.Join(c.kinds, " "), yesNo(c.deviates()), r.By.ID, r.Reason})
	}
	return t
}

func replacedText(list []Replaced) string {
	var out []string
	for _, r := range list {
		out = append(out, fmt.Sprintf("%s by %s: %s", r.ID, r.By.ID, r.Reason))
	}
	return strings.Join(out, "; ")
}
