package evidence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Preview is what a bundle of a period would say, before it is made. It is of all changes of the
// period: which of them a sample would pick is not in it, or somebody could look at samples until
// one pleases without a draw on record.
type Preview struct {
	LogSize int64     `json:"log_size"`
	AsOf    time.Time `json:"as_of"`
	// Counts are those of a bundle without a sample.
	Counts   Counts `json:"counts"`
	Branches int    `json:"branches"`
	Updates  int    `json:"updates"`
	NotTold  int    `json:"not_told_by_any_delivery"`
	Blind    int    `json:"blind_intervals"`
	// Wanting are the branches of which something is not known, at most as many as are listed, and
	// MoreWanting how many there are beside these.
	Wanting     []WantingBranch    `json:"wanting"`
	MoreWanting int                `json:"more_wanting"`
	Restored    []Restored         `json:"restored"`
	Cosigned    []CosignedSize     `json:"cosigned"`
	Sample      *PreviewedSample   `json:"sample"` // nil: none is asked for
	Notes       []string           `json:"notes"`
	Criteria    []PreviewCriterion `json:"criteria"`
}

// WantingBranch is a branch of which something is not known.
type WantingBranch struct {
	Repository string   `json:"repository"`
	Branch     string   `json:"branch"`
	Why        []string `json:"why"` // sentences
}

// CosignedSize is how many leaves a witness, by its public key, has cosigned.
type CosignedSize struct {
	Witness string `json:"witness"`
	Size    int64  `json:"size"`
}

// PreviewedSample is what would be drawn, but for which items.
type PreviewedSample struct {
	Size    int            `json:"size"`
	Allowed int            `json:"allowed_deviations"` // by a plan
	Sizes   map[string]int `json:"sizes"`              // by stratum
	// Why says why nothing can be drawn; empty: it can.
	Why string `json:"why"`
}

// PreviewCriterion is one criterion of the matrix with the results of its tests.
type PreviewCriterion struct {
	ID        string            `json:"id"`
	Title     string            `json:"title"`
	Note      string            `json:"note"`
	Tests     []PreviewTest     `json:"tests"`
	Documents []PreviewDocument `json:"documents"`
}

// PreviewTest is what a test gave.
type PreviewTest struct {
	ID          string        `json:"id"`
	Asks        string        `json:"asks"`
	Of          string        `json:"of"`
	Tested      int           `json:"tested"`
	Deviations  int           `json:"deviations"`
	Exempt      int           `json:"exempt"`
	NotTestable int           `json:"not_testable"`
	Items       []PreviewItem `json:"items"` // that deviate, at most as many as are listed
}

// PreviewItem is what deviates.
type PreviewItem struct {
	Title string `json:"title"`
	// RepositoryID and Number are those of a pull request; 0: it is none.
	RepositoryID int64 `json:"repository_id"`
	Number       int   `json:"number"`
}

// PreviewDocument is a document that the organisation registers for a criterion.
type PreviewDocument struct {
	Title    string `json:"title"`
	Owner    string `json:"owner"`
	Location string `json:"location"`
	State    string `json:"state"`
	ReviewBy string `json:"review_by"`
	Wanting  bool   `json:"wanting"` // it is not there as it was registered
	Overdue  bool   `json:"overdue"`
}

// mostPreviewed is how many branches, and how many items of each test, a preview lists.
const mostPreviewed = 50

const doingTests = "testing the decisions"

// Look reads what a bundle would say. It draws nothing and puts nothing on record.
func Look(ctx context.Context, log Log, o Options) (Preview, error) {
	asked := o.Query
	if err := asked.check(); err != nil {
		return Preview{}, err
	}
	o.Query.Sample = nil
	x := &exporter{Options: o, log: log, manifest: Manifest{Query: o.Query}}
	if err := x.read(ctx); err != nil {
		return Preview{}, err
	}
	f := x.findings
	count, done := f.recorded.counted, int64(0)
	f.recorded.counted = func(leaf int64) (*counted, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		done++
		x.tell(doingTests, done, int64(len(f.decisions)))
		return count(leaf)
	}
	matrix, err := f.controls()
	if err != nil {
		return Preview{}, err
	}
	cosigned, err := log.Cosigned(ctx, x.manifest.LogSize)
	if err != nil {
		return Preview{}, err
	}
	t := f.completeness.Totals
	p := Preview{LogSize: x.manifest.LogSize, AsOf: f.asOf, Counts: f.counts, Branches: len(f.completeness.Branches), Updates: t.Updates, NotTold: t.NotToldByAnyDelivery,
		Blind: t.BlindIntervals, Restored: f.completeness.Restored, Notes: matrix.Notes}
	for _, c := range cosigned {
		size, err := cosignedSize(c.Checkpoint)
		if err != nil {
			return Preview{}, err
		}
		p.Cosigned = append(p.Cosigned, CosignedSize{c.Witness, min(size, p.LogSize)})
	}
	p.want(f.completeness.Branches)
	for _, m := range matrix.Criteria {
		p.Criteria = append(p.Criteria, f.previewed(m))
	}
	x.contents.query = asked
	p.Sample = x.contents.sampled()
	return p, nil
}

// cosignedSize is how many leaves a checkpoint is of, by its second line.
func cosignedSize(checkpoint string) (int64, error) {
	_, rest, _ := strings.Cut(checkpoint, "\n")
	line, _, _ := strings.Cut(rest, "\n")
	size, err := strconv.ParseInt(line, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("a cosigned checkpoint: %w", err)
	}
	return size, nil
}

// sampled is what would be drawn.
func (c *contents) sampled() *PreviewedSample {
	if c.query.Sample == nil {
		return nil
	}
	d, err := newDraw(c.query, items(c.changes, c.query.Sample.ByClass), c.after)
	if err != nil {
		return &PreviewedSample{Why: strings.TrimPrefix(err.Error(), ErrExport.Error()+": ")}
	}
	return &PreviewedSample{Size: d.size(), Allowed: d.Allowed, Sizes: d.Sizes}
}

// want lists the branches of which something is not known.
func (p *Preview) want(branches []branchLine) {
	for _, b := range branches {
		w := WantingBranch{Repository: b.Repository, Branch: b.Branch}
		for _, g := range b.Gaps {
			if len(w.Why) < mostPreviewed {
				w.Why = append(w.Why, "An update begins with "+cmp.Or(shortSHA(g.Found), "nothing")+", and the one before it ended with "+cmp.Or(shortSHA(g.Expected), "nothing")+".")
			}
		}
		if n := len(b.Blind); n > 0 {
			w.Why = append(w.Why, "It could not be seen at times: "+strconv.Itoa(n)+" of the exceptions say when.")
		}
		for _, u := range b.Unenrolled {
			if u.Why != "" && len(w.Why) < mostPreviewed {
				w.Why = append(w.Why, "What reached it before it was enrolled is not known to the beginning of the period: "+u.Why)
			}
		}
		switch {
		case len(w.Why) == 0:
		case len(p.Wanting) == mostPreviewed:
			p.MoreWanting++
		default:
			p.Wanting = append(p.Wanting, w)
		}
	}
}

// previewed is a criterion as a preview has it.
func (f *findings) previewed(m criterion) PreviewCriterion {
	out := PreviewCriterion{ID: m.ID, Title: m.Title, Note: m.Note}
	for _, t := range m.Tests {
		r := PreviewTest{ID: t.ID, Asks: t.Asks, Of: t.Of, Tested: t.Tested, Deviations: t.Deviations, Exempt: t.Exempt, NotTestable: t.NotTestable}
		for _, i := range t.Items[:min(len(t.Items), mostPreviewed)] {
			item := PreviewItem{Title: i.Title}
			if c := f.byID[i.ID]; c != nil && c.number != 0 {
				item.RepositoryID, item.Number = c.update.repositoryID, c.number
			}
			r.Items = append(r.Items, item)
		}
		out.Tests = append(out.Tests, r)
	}
	for _, d := range m.Documents {
		out.Documents = append(out.Documents, PreviewDocument{d.Title, d.Owner, d.Location, d.State, d.ReviewBy, d.Wanting(), d.Overdue})
	}
	return out
}

// Missing are the criteria for which nothing is there: no test, and no document that is registered
// and found as it was, with its review done.
func (p Preview) Missing() []PreviewCriterion {
	return slices.DeleteFunc(slices.Clone(p.Criteria), func(c PreviewCriterion) bool {
		return len(c.Tests) > 0 || slices.ContainsFunc(c.Documents, func(d PreviewDocument) bool { return !d.Wanting && !d.Overdue })
	})
}

// Stale are the registered documents that are not as they were registered, or whose review is overdue.
func (p Preview) Stale() (out []PreviewDocument) {
	for _, c := range p.Criteria {
		for _, d := range c.Documents {
			if (d.Wanting || d.Overdue) && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}

// Whole says whether everything that reached the branches is known and there.
func (p Preview) Whole() bool {
	c := p.Counts
	return len(p.Wanting) == 0 && len(p.Restored) == 0 && p.Blind+c.Gaps+c.Unexplained+c.NotListed+c.Disposed+c.DisposedDecisions+c.NotRead == 0
}
