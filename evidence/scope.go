package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/ledger"
)

// scopeReading is one record of which repositories there were.
type scopeReading struct {
	leaf                int64
	at                  time.Time
	Complete            bool          `json:"complete"`
	Why                 string        `json:"why"`
	SameAs              *int64        `json:"same_as"`
	Selection           string        `json:"selection"`
	PrivateRepositories int           `json:"private_repositories"`
	Repositories        []scopedEntry `json:"repositories"`
}

// scopedEntry is one repository of a reading.
type scopedEntry struct {
	ID         int64  `json:"id"`
	Repository string `json:"repository"`
	State      string `json:"state"`
	Private    bool   `json:"private"`
	Archived   bool   `json:"archived"`
	Branches   []struct {
		Ref  string `json:"ref"`
		Mode string `json:"mode"`
	} `json:"branches"`
}

// notListed is the state of a repository that a reading has no more: it was deleted or transferred,
// or the App does not see it.
const notListed = "not_listed"

func scopeOf(l ledger.Leaf, body []byte) (scopeReading, error) {
	s := scopeReading{leaf: l.Seq, at: l.RecordedAt}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("leaf %d is no scope: %w", l.Seq, err)
	}
	return s, nil
}

// scope is what there was in the period, by the records.
type scope struct {
	// Readings is how often it was recorded which repositories there were, the last time before
	// the period included. LongestGapHours is how long it was not, at most, within the period as
	// far as there are records; -1: it never was.
	Readings        int          `json:"readings"`
	LongestGapHours int          `json:"longest_gap_hours"`
	NotRead         []notRead    `json:"not_read"` // times at which it could not be read
	Selection       string       `json:"selection"`
	Repositories    []scopedLine `json:"repositories"`
	Counts          scopeCounts  `json:"counts"`
}

type notRead struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// scopeCounts are as of the newest reading. The private repositories are those that the App sees
// and those that it does not: -1 means that GitHub does not show how many there are.
type scopeCounts struct {
	Repositories      int `json:"repositories"`
	WithEnrolled      int `json:"with_enrolled_branches"`
	WithoutEnrolled   int `json:"without_enrolled_branches"`
	PrivateNotVisible int `json:"private_not_visible"`
}

// scopedLine is one repository over the period.
type scopedLine struct {
	RepositoryID int64    `json:"repository_id"`
	Repository   string   `json:"repository"` // owner/name, as last seen
	Names        []string `json:"names"`      // all that it had
	Private      bool     `json:"private"`
	Archived     bool     `json:"archived"`
	// Enrolled are the branches that were followed at any reading, by name.
	Enrolled []string `json:"enrolled"`
	// States are how the App stood to it, each from the reading that showed it first.
	States []scopedState `json:"states"`
}

type scopedState struct {
	From  time.Time `json:"from"`
	State string    `json:"state"`
}

// scopeWithin puts the readings of the period together, up to when the records end.
func scopeWithin(all []scopeReading, q Query, asOf time.Time) scope {
	out := scope{LongestGapHours: -1, NotRead: []notRead{}, Repositories: []scopedLine{}, Counts: scopeCounts{PrivateNotVisible: -1}}
	lines := map[int64]*scopedLine{}
	since := q.From
	for _, r := range resolve(all, q) {
		if !r.Complete {
			out.NotRead = append(out.NotRead, notRead{r.at.UTC(), r.Why})
			continue
		}
		out.Readings++
		out.LongestGapHours = max(out.LongestGapHours, hoursBetween(since, r.at))
		if r.at.After(since) {
			since = r.at
		}
		out.Selection = r.Selection
		seen := map[int64]bool{}
		for _, x := range r.Repositories {
			seen[x.ID] = true
			if lines[x.ID] == nil {
				lines[x.ID] = &scopedLine{RepositoryID: x.ID, Names: []string{}, Enrolled: []string{}}
			}
			lines[x.ID].see(r.at, x)
		}
		for id, l := range lines {
			if !seen[id] {
				l.become(r.at, notListed)
			}
		}
		out.Counts = r.counts()
	}
	if asOf.After(q.To) {
		asOf = q.To
	}
	if out.Readings > 0 {
		out.LongestGapHours = max(out.LongestGapHours, hoursBetween(since, asOf))
	}
	for _, l := range lines {
		out.Repositories = append(out.Repositories, *l)
	}
	slices.SortFunc(out.Repositories, func(a, b scopedLine) int { return cmp.Compare(a.RepositoryID, b.RepositoryID) })
	return out
}

// resolve are the readings of the period, and the last one before it, each with what it says.
func resolve(all []scopeReading, q Query) (out []scopeReading) {
	whole := map[int64]scopeReading{}
	for _, r := range all {
		if r.SameAs == nil {
			whole[r.leaf] = r
		} else if same, ok := whole[*r.SameAs]; ok {
			same.leaf, same.at = r.leaf, r.at
			r = same
		} else {
			r.Complete, r.Why = false, fmt.Sprintf("It refers to the record of leaf %d, which was disposed of.", *r.SameAs)
		}
		if !r.at.After(q.From) {
			out = out[:0]
		}
		if r.at.Before(q.To) {
			out = append(out, r)
		}
	}
	return out
}

func hoursBetween(from, to time.Time) int { return int(max(0, to.Sub(from)) / time.Hour) }

func (r scopeReading) counts() (n scopeCounts) {
	private := 0
	for _, x := range r.Repositories {
		if x.State == "not_visible" {
			continue // whether it is private is not known
		}
		n.Repositories++
		if len(x.Branches) > 0 {
			n.WithEnrolled++
		} else {
			n.WithoutEnrolled++
		}
		if x.Private {
			private++
		}
	}
	n.PrivateNotVisible = -1
	if r.PrivateRepositories >= 0 {
		n.PrivateNotVisible = max(0, r.PrivateRepositories-private)
	}
	return n
}

func (l *scopedLine) see(at time.Time, x scopedEntry) {
	l.Repository = x.Repository
	if x.State != "not_visible" {
		l.Private, l.Archived = x.Private, x.Archived
	}
	l.Names = with(l.Names, x.Repository)
	for _, b := range x.Branches {
		l.Enrolled = with(l.Enrolled, b.Ref)
	}
	l.become(at, x.State)
}

func (l *scopedLine) become(at time.Time, state string) {
	if n := len(l.States); n == 0 || l.States[n-1].State != state {
		l.States = append(l.States, scopedState{at.UTC(), state})
	}
}

// with is a sorted list with one more, if it is not there yet.
func with(list []string, s string) []string {
	if i, found := slices.BinarySearch(list, s); !found {
		list = slices.Insert(list, i, s)
	}
	return list
}
