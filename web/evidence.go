package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/store"
)

// mostAtOnce is how many bundles of an organisation are looked at or made at a time, in turn.
const mostAtOnce = 2

// evidencePage is where a bundle is asked for, with those of the last day and what the log says of
// all that ever were.
type evidencePage struct {
	Base     string
	From, To string // days that the form begins with
	Min, Max string // days that an auditor may ask for; empty: any
	Bundles  []bundleLine
	Exports  []exportLine
	Older    string // address of earlier exports; empty: there are none
	Newest   string // address of the newest; empty: this is it
}

// bundleLine is a bundle of the last day.
type bundleLine struct {
	Link     string
	From, To time.Time // To: its last day
	By       string
	AskedAt  time.Time
	State    string
	Tone     string
}

// exportLine is what the log says of a bundle.
type exportLine struct {
	Leaf           int64
	At             time.Time
	By             string
	From, To       time.Time // To: its last day
	Sample         string
	LogSize        int64
	ManifestSHA256 string
	Stored         *store.Stored // where it was put, and is locked; nil: this is that it was made
}

// mostSought is how many accesses are looked through for exports, for one page.
const mostSought = 1000

// evidence shows where a bundle is asked for.
func (s *Site) evidence(v *visit) (shown, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return shown{}, err
	}
	now := s.Now().UTC()
	q := v.URL.Query()
	p := evidencePage{Base: v.base(), From: cmp.Or(q.Get("from"), now.AddDate(0, -3, 0).Format(time.DateOnly)), To: cmp.Or(q.Get("to"), now.AddDate(0, 0, -1).Format(time.DateOnly))}
	if !v.view.Before.IsZero() {
		p.Min, p.Max = v.view.From.Format(time.DateOnly), lastDay(v.view.Before).Format(time.DateOnly)
		p.From, p.To = p.Min, p.Max
	}
	list, err := tenant.Bundles(v.Context(), perPage)
	if err != nil {
		return shown{}, err
	}
	for _, b := range list {
		query, err := queryOf(b)
		if err != nil {
			return shown{}, err
		}
		if !v.mayAsk(query) {
			continue
		}
		state, tone := stateInWords(b, s.Now())
		p.Bundles = append(p.Bundles, bundleLine{bundlePath(v, b.ID), query.From, lastDay(query.To), b.AskedBy.String(), b.AskedAt, state, tone})
	}
	if err := p.exports(v, tenant); err != nil {
		return shown{}, err
	}
	return shown{"Evidence", p}, nil
}

// exports finds the exports among the accesses, newest first.
func (p *evidencePage) exports(v *visit, tenant store.Tenant) error {
	below := int64(math.MaxInt64)
	if after, err := strconv.ParseInt(v.URL.Query().Get("after"), 10, 64); err == nil { // anything else is the first page
		below, p.Newest = after, withParam(v.URL, "after", "")
	}
	list, err := tenant.AccessesBelow(v.Context(), below, mostSought)
	if err != nil {
		return err
	}
	for i, a := range list {
		if a.What == store.AccessExport || a.What == store.AccessStored {
			var query evidence.Query
			if err := json.Unmarshal(a.Query, &query); err != nil {
				return fmt.Errorf("web: access of leaf %d: %w", a.LeafIndex, err)
			}
			if v.mayAsk(query) {
				p.Exports = append(p.Exports, exportLine{a.LeafIndex, a.At, a.By.String(), query.From, lastDay(query.To), sampleInWords(query), a.LogSize, a.ManifestSHA256, a.Stored})
			}
		}
		if i+1 == mostSought || len(p.Exports) == perPage && i+1 < len(list) {
			p.Older = withParam(v.URL, "after", strconv.FormatInt(a.LeafIndex, 10))
			break
		}
	}
	return nil
}

// mayAsk says whether the visitor may have evidence of a period: an auditor, of what they were granted.
func (v *visit) mayAsk(q evidence.Query) bool {
	return v.view.Before.IsZero() || !q.From.Before(v.view.From) && !q.To.After(v.view.Before)
}

// lastDay is the last day before a time.
func lastDay(before time.Time) time.Time { return before.Add(-time.Nanosecond) }

func bundlePath(v *visit, id string) string {
	return v.base() + "/evidence/bundles/" + url.PathEscape(id)
}

func queryOf(b store.Bundle) (q evidence.Query, err error) {
	if err = json.Unmarshal(b.Query, &q); err != nil {
		err = fmt.Errorf("web: what bundle %s is asked for: %w", b.ID, err)
	}
	return q, err
}

// sampleInWords says how a sample is drawn.
func sampleInWords(q evidence.Query) string {
	s := q.Sample
	if s == nil {
		return "no sample: all changes"
	}
	out := fmt.Sprintf("sample of %d", s.Size)
	if s.Plan != nil {
		out = fmt.Sprintf("sample for a confidence of %s, tolerable rate %s, expected rate %s", s.Plan.Confidence, s.Plan.Tolerable, s.Plan.Expected)
	}
	if s.ByClass {
		out += ", shared out among who wrote the changes"
	}
	if len(s.Seed) == 0 {
		return out + ", seed of the log"
	}
	return out + ", seed of the auditor"
}

// stateInWords is how far a bundle is.
func stateInWords(b store.Bundle, now time.Time) (state, tone string) {
	switch {
	case b.Killed(now):
		return "was interrupted", "bad"
	case b.Busy(now) && b.Progress.Doing == "":
		return "waits for its turn", "open"
	case b.State == store.BundleLooking:
		return "is looked at", "open"
	case b.State == store.BundleLooked:
		return "was looked at, and not made", "open"
	case b.State == store.BundleMaking:
		return "is being made", "open"
	case b.State == store.BundleMade && b.Upload.Waits() && b.Upload.Cause != "":
		return "is made, and NOT in the bucket", "bad"
	case b.State == store.BundleMade && b.Upload.Waits():
		return "is made, and not in the bucket yet", "open"
	case b.State == store.BundleMade && b.Upload != nil:
		return "is made, and locked in the bucket", "good"
	case b.State == store.BundleMade:
		return "is made", "good"
	}
	return "failed", "bad"
}

// askBundle has a server look at what a bundle would say.
func (s *Site) askBundle(v *visit) (string, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return "", err
	}
	query, err := askedFor(v)
	if err != nil {
		return "", err
	}
	if !v.mayAsk(query) {
		return "", refusal(fmt.Sprintf("You were granted the time from %s to %s, and no other.", v.view.From.Format(time.DateOnly), lastDay(v.view.Before).Format(time.DateOnly)))
	}
	if err := s.room(v, tenant); err != nil {
		return "", err
	}
	encoded, err := json.Marshal(query)
	if err != nil {
		return "", err
	}
	b, err := tenant.AskBundle(v.Context(), encoded, v.who(), s.Bundles.Server)
	if err != nil {
		return "", err
	}
	s.Bundles.Start(tenant, v.view.Login, b)
	return bundlePath(v, b.ID), nil
}

// room refuses another bundle while as many as may be are being looked at or made.
func (s *Site) room(v *visit, tenant store.Tenant) error {
	list, err := tenant.Bundles(v.Context(), perPage)
	busy := 0
	for _, b := range list {
		if b.Busy(s.Now()) {
			busy++
		}
	}
	if err == nil && busy >= mostAtOnce {
		err = refusal(fmt.Sprintf("%d bundles of this organisation are being worked on already. The page Evidence lists them; ask again when one is done.", busy))
	}
	return err
}

// askedFor is the query that the form asks for.
func askedFor(v *visit) (q evidence.Query, err error) {
	if q.From, err = dayOf(v.FormValue("from")); err != nil {
		return q, err
	}
	if q.To, err = dayOf(v.FormValue("to")); err != nil {
		return q, err
	}
	if q.From.IsZero() || q.To.IsZero() || q.To.Before(q.From) {
		return q, refusal("A period has a first day and a last one, which is not before it.")
	}
	q.To = q.To.AddDate(0, 0, 1) // the day is part of it
	var sample evidence.SampleQuery
	switch v.FormValue("sample") {
	case "", "none":
		return q, nil
	case "size":
		if sample.Size, err = strconv.Atoi(strings.TrimSpace(v.FormValue("size"))); err != nil || sample.Size < 1 || sample.Size > 20000 {
			return q, refusal("The size of a sample is a whole number from 1 to 20000.")
		}
	case "plan":
		if sample.Plan, err = planOf(v); err != nil {
			return q, err
		}
	default:
		return q, refusal("A sample is of a size, or of the size that a confidence needs, or there is none.")
	}
	sample.ByClass = v.FormValue("by_class") != ""
	if seed := strings.TrimSpace(v.FormValue("seed")); seed != "" {
		if err := sample.Seed.UnmarshalText([]byte(seed)); err != nil {
			return q, refusal("A seed is 16 to 64 bytes in hexadecimal: 32 to 128 digits from 0 to f.")
		}
	}
	q.Sample = &sample
	return q, nil
}

// planOf is what a sample has to show. Whether one can is worked out for as many items as it needs.
func planOf(v *visit) (*evidence.Plan, error) {
	var p evidence.Plan
	for name, rate := range map[string]*evidence.Rate{"confidence": &p.Confidence, "tolerable": &p.Tolerable, "expected": &p.Expected} {
		if err := rate.UnmarshalText([]byte(cmp.Or(strings.TrimSpace(v.FormValue(name)), "0"))); err != nil {
			return nil, refusal("Confidence and rates are percentages from 0 to 100 with up to three decimals, like 95 or 2.5.")
		}
	}
	if _, err := evidence.SampleSize(p); errors.Is(err, evidence.ErrPlan) {
		return nil, refusal("No sample shows that: " + strings.TrimPrefix(err.Error(), evidence.ErrPlan.Error()+": ") + ".")
	} else if err != nil {
		return nil, err
	}
	return &p, nil
}
