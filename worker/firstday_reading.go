package worker

import (
	"cmp"
	"slices"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// maxFirstDayChanges is how many merged pull requests are read, some dozen requests each: what
	// may wait has four fifths of an hour's 5,000 at least.
	maxFirstDayChanges = 300
	// maxFirstDayKept is how many are kept to choose from, beside the newest of each branch: some of
	// the branches may turn out to be of no policy.
	maxFirstDayKept = 1000
)

// firstDayReading is how far a report is. A job keeps it between its runs, as JSON, so it is bounded,
// and old ones must stay readable: add fields, never change them.
type firstDayReading struct {
	Report *policy.FirstDay `json:"report"`
	Stage  string           `json:"stage"` // store.FirstDayStage…; empty: not begun
	// ListedAt is when it was asked which repositories there are, and Known their ids.
	ListedAt time.Time `json:"listed_at,omitzero"`
	Known    []int64   `json:"known"`
	// ToLook are those to be looked through.
	ToLook []firstDayRepository `json:"to_look"`
	// Branches have what was merged to each, and Rest what was besides the newest of it; the newest first.
	Branches []mergedTo `json:"branches"`
	Rest     []merged   `json:"rest"`
	// ToJudge are those that are judged next: first the newest of each branch, since that tells whether
	// the branch is enrolled, and then of the rest as many as are judged at all.
	ToJudge    []merged `json:"to_judge"`
	RestChosen bool     `json:"rest_chosen"`
	Judged     int      `json:"judged"`
	Finished   bool     `json:"finished"`
	Asked      int      `json:"asked"` // about how many requests were made
}

type firstDayRepository struct {
	ID   int64  `json:"id"`
	Name string `json:"name"` // owner/name
}

// merged is a pull request that was merged.
type merged struct {
	Repo     firstDayRepository `json:"repository"`
	Number   int                `json:"number"`
	Title    string             `json:"title,omitempty"` // empty: not kept
	HeadSHA  string             `json:"head_sha"`
	BaseRef  string             `json:"base_ref"`
	MergedAt time.Time          `json:"merged_at"`
}

// mergedTo is what was merged to one branch.
type mergedTo struct {
	Newest  merged `json:"newest"`
	More    int    `json:"more"`
	Outside bool   `json:"outside,omitempty"` // it is not enrolled
}

// judged is what came of one.
type judged struct {
	merged
	policy.Hindsight
	collected *facts.Collected // nil: it could not be read
	outside   bool             // its branch is not enrolled
	err       error            // why it could not be read
}

func newFirstDayReading(organisation string, at, since time.Time) *firstDayReading {
	r := &firstDayReading{Report: policy.NewFirstDay(organisation, at, since)}
	r.Report.Beginning = string(policy.Beginning("main"))
	return r
}

// ended says whether the report is made.
func (r *firstDayReading) ended() bool { return r.Finished }

// begin notes which repositories there are.
func (r *firstDayReading) begin(at time.Time, list []gh.ListedRepository) {
	r.Stage, r.ListedAt = store.FirstDayStageLook, at
	for _, repo := range list {
		r.Known = append(r.Known, repo.ID)
		if !repo.Archived {
			r.ToLook = append(r.ToLook, firstDayRepository{repo.ID, repo.FullName})
		}
	}
}

// tooMany ends a report of which nobody knows what there is.
func (r *firstDayReading) tooMany(at time.Time) {
	r.ListedAt = at
	r.Report.Unread = append(r.Report.Unread, policy.FirstDayUnread{Repository: r.Report.Organisation,
		Why: "The App is installed on more repositories than are read, and which these are is not known."})
	r.end(at)
}

// looked notes what was merged in the next repository, and why not all of that is known; empty: it is.
func (r *firstDayReading) looked(open []merged, decided int, why string) {
	repo := r.ToLook[0]
	r.ToLook = r.ToLook[1:]
	r.Report.Repositories++
	r.Report.Decided += decided
	if why != "" {
		r.Report.Unread = append(r.Report.Unread, policy.FirstDayUnread{Repository: repo.Name, Why: why})
	}
	slices.SortFunc(open, newer)
	at := map[string]int{}
	for _, m := range open {
		i, seen := at[m.BaseRef]
		if !seen {
			at[m.BaseRef] = len(r.Branches)
			r.Branches = append(r.Branches, mergedTo{Newest: m})
			continue
		}
		r.Branches[i].More++
		r.Rest = append(r.Rest, m)
	}
	r.bound()
}

// newer orders by when they were merged, the newest first.
func newer(a, b merged) int {
	return cmp.Or(b.MergedAt.Compare(a.MergedAt), cmp.Compare(a.Repo.ID, b.Repo.ID), b.Number-a.Number)
}

// bound keeps the branches to which something was merged last, and counts what is left out.
func (r *firstDayReading) bound() {
	slices.SortFunc(r.Branches, func(a, b mergedTo) int { return newer(a.Newest, b.Newest) })
	if len(r.Branches) > maxFirstDayChanges {
		for _, b := range r.Branches[maxFirstDayChanges:] {
			r.Report.Left += 1 + b.More
		}
		r.Branches = r.Branches[:maxFirstDayChanges]
		r.Rest = slices.DeleteFunc(r.Rest, func(m merged) bool { return r.branchOf(m) == nil })
	}
	slices.SortFunc(r.Rest, newer)
	r.Rest = r.Rest[:min(len(r.Rest), maxFirstDayKept)] // they are counted with their branch
}

// branchOf is the branch that one was merged to; nil: it is not among those that are judged.
func (r *firstDayReading) branchOf(m merged) *mergedTo {
	for i := range r.Branches {
		if b := &r.Branches[i]; b.Newest.Repo.ID == m.Repo.ID && b.Newest.BaseRef == m.BaseRef {
			return b
		}
	}
	return nil
}

// chooseNewest begins judging, with the newest of each branch.
func (r *firstDayReading) chooseNewest() {
	r.Stage = store.FirstDayStageJudge
	for _, b := range r.Branches {
		r.ToJudge = append(r.ToJudge, b.Newest)
	}
}

// chooseRest goes on with what else was merged to enrolled branches, as far as that is judged.
func (r *firstDayReading) chooseRest() {
	left := maxFirstDayChanges - len(r.Branches)
	for _, m := range r.Rest {
		if b := r.branchOf(m); !b.Outside && len(r.ToJudge) < left {
			r.ToJudge = append(r.ToJudge, m)
			b.More--
		}
	}
	for _, b := range r.Branches {
		if b.Outside {
			r.Report.NotEnrolled += b.More
		} else {
			r.Report.Left += b.More
		}
	}
	r.Rest, r.RestChosen = nil, true
}

// judged puts the next one into the report, with how its branch is protected today.
func (r *firstDayReading) judged(j judged, app policy.App) {
	r.ToJudge = r.ToJudge[1:]
	r.Judged++
	if j.outside {
		r.Report.NotEnrolled++
		r.branchOf(j.merged).Outside = true
		return
	}
	branch := r.Report.Branch(j.Repo.Name, j.BaseRef)
	if c := j.collected; c != nil {
		branch.Beginning = c.Beginning
		if branch.Protected == policy.Unknown && branch.Unprotected == "" {
			branch.Protected, branch.Unprotected = policy.Protected(c.Policy, app, c.Facts.Protection, c.Facts.CollectedAt)
		}
	}
	r.Report.Add(policy.FirstDayChange{Repository: j.Repo.Name, Ref: j.BaseRef, Number: j.Number, Title: j.Title, MergedAt: j.MergedAt}, j.Hindsight)
}

// end puts the report in order.
func (r *firstDayReading) end(at time.Time) {
	r.Report.Until = at.UTC().Truncate(time.Second)
	r.Report.Finish()
	r.Finished = true
}

// progress is how far the stage is.
func (r *firstDayReading) progress() (done, total int) {
	if r.Stage == store.FirstDayStageLook {
		return r.Report.Repositories, r.Report.Repositories + len(r.ToLook)
	}
	total = r.Judged + len(r.ToJudge)
	if !r.RestChosen {
		total += min(maxFirstDayChanges-len(r.Branches), len(r.Rest))
	}
	return r.Judged, total
}
