package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// mergedPage lists what a figure counts.
type mergedPage struct {
	Base             string
	GitHub           string // web address
	Period           period
	What, Repository string
	Choices          []choice
	Rows             []mergedRow
	Older, Newest    string
}

// choice is one list that can be asked for.
type choice struct{ Mark, Name string }

// mergedRow is a change as the list shows it.
type mergedRow struct {
	store.Merged
	Writer, Reviewed, Tests, Took, Kept string
}

// mergedChoices are the marks that the figures of the overview count.
func mergedChoices() []choice {
	r, a, l, k := policy.MergedReviewed, policy.MergedAgentReviewed, policy.MergedLatency, policy.MergedKept
	return []choice{
		{policy.MergedAny, "everything"}, {policy.MergedPull, "pull requests"}, {policy.MergedDirect, "without a pull request"},
		{policy.MergedByAgent, "by agents, or with one"}, {policy.MergedClass + string(policy.ClassUndetected), "no agent indicator found"}, {policy.MergedClass, "class not known"},
		{r + "yes", "with an independent review"}, {r + "no", "without an independent review"}, {r + "unknown", "independent review not known"},
		{a + "no", "by agents, without an independent review"}, {a + "unknown", "by agents, independent review not known"},
		{policy.MergedTests + "failed", "a validation failed"}, {policy.MergedTests + "none", "without validations"}, {policy.MergedTests + policy.MergedUnknown, "validations not known"},
		{l + policy.LatencyNone, "not reviewed before the merge"}, {l + policy.MergedUnknown, "time to the first review not known"},
		{k + string(policy.KeptLate), "review late"}, {k + string(policy.KeptEarly), "merged before the review was due"}, {k + string(policy.KeptNoTime), "no time to keep"}, {k + policy.MergedUnknown, "in time or not is not known"},
	}
}

// merged lists the changes of a period that a figure counts, the newest first.
func (s *Site) merged(v *visit) (shown, error) {
	q := v.URL.Query()
	p := mergedPage{Base: v.base(), GitHub: s.GitHubURL, What: q.Get("what"), Repository: q.Get("repository"), Choices: mergedChoices()}
	if p.What == "" {
		p.What = policy.MergedAny
	}
	if writer, is := writerOf(p.What); is && !p.offers(p.What) {
		p.Choices = append(p.Choices, choice{p.What, writer})
	}
	if !p.offers(p.What) {
		return shown{}, refusal("There is no list of that name.")
	}
	var err error
	if p.Period, err = s.period(v); err != nil {
		return shown{}, err
	}
	f := store.MergedFilter{Mark: p.What, From: p.Period.From, Before: p.Period.Before, After: placeOf(q.Get("after")), Limit: perPage + 1}
	if name := strings.TrimSpace(p.Repository); name != "" {
		if f.RepoID, err = v.view.RepositoryID(v.Context(), name); err != nil || f.RepoID == 0 {
			return shown{"Merged changes", p}, err
		}
	}
	list, err := v.view.Merged(v.Context(), f)
	if err != nil {
		return shown{}, err
	}
	if len(list) == f.Limit {
		list = list[:perPage]
		at := list[perPage-1].Place()
		p.Older = withParam(v.URL, "after", fmt.Sprintf("%d.%d.%d", at.At, at.LeafIndex, at.Number))
	}
	if f.After != (store.MergedPlace{}) {
		p.Newest = withParam(v.URL, "after", "")
	}
	for _, m := range list {
		p.Rows = append(p.Rows, mergedRowOf(m))
	}
	return shown{"Merged changes", p}, nil
}

func (p *mergedPage) offers(mark string) bool {
	for _, c := range p.Choices {
		if c.Mark == mark {
			return true
		}
	}
	return false
}

// placeOf reads a place in the list; anything else is the first page.
func placeOf(text string) (at store.MergedPlace) {
	parts := strings.Split(text, ".")
	var n [3]int64
	for i := range n {
		if len(parts) != len(n) {
			return at
		}
		var err error
		if n[i], err = strconv.ParseInt(parts[i], 10, 64); err != nil || n[i] < 0 {
			return at
		}
	}
	return store.MergedPlace{At: n[0], LeafIndex: n[1], Number: int(n[2])}
}

func mergedRowOf(m store.Merged) mergedRow {
	r := mergedRow{Merged: m, Tests: "not known", Took: "not known", Kept: "not known", Reviewed: m.Reviews}
	if m.Number == 0 {
		r.Writer, r.Reviewed, r.Tests, r.Took, r.Kept = "", "", "", "", ""
		return r
	}
	if r.Writer = m.Agent; m.Agent == "" {
		r.Writer = classOfWriter(m.Class)
	}
	if m.Reviews == string(policy.Unknown) {
		r.Reviewed = "not known"
	}
	if m.Attempts >= 0 {
		r.Tests = fmt.Sprintf("%d of %d", m.Failed, m.Attempts)
	}
	switch {
	case m.Latency == policy.NoReview:
		r.Took = "none before the merge"
	case m.Latency >= 0:
		r.Took = timeInWords(m.Latency.Round(time.Minute))
	}
	switch policy.ReviewKept(m.Kept) {
	case policy.KeptNoTime:
		r.Kept = "no time set"
	case policy.KeptEarly:
		r.Kept = "merged before it was due"
	case policy.KeptInTime:
		r.Kept = "in time"
	case policy.KeptLate:
		r.Kept = "late"
	}
	return r
}
