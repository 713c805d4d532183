package evidence

import (
	"cmp"
	"slices"
	"time"

	"github.com/countersign/countersign/policy"
)

// completeness says what the population was reconciled with, and what came of it.
type completeness struct {
	V        int          `json:"v"`
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	Branches []branchLine `json:"branches"`
	Totals   totals       `json:"totals"`
	Scope    scope        `json:"scope"`
	// Restored are the times at which an old copy of the database was restored, when what was lost
	// is of the period.
	Restored []Restored `json:"restored,omitempty"`
	// Reconciled is what was missing when repositories were compared with GitHub; absent: nothing was.
	Reconciled *reconciled `json:"reconciled,omitempty"`
}

// branchLine is one enrolled branch over the period.
type branchLine struct {
	RepositoryID int64    `json:"repository_id"`
	Repository   string   `json:"repository"` // owner/name, as last seen
	Branch       string   `json:"branch"`     // as last seen
	Modes        []string `json:"modes"`
	// Names are all that the repository had until the period ended, BranchNames those of the branch.
	Names       []string `json:"names"`
	BranchNames []string `json:"branch_names"`
	// Enrolled is when the branch was followed, in the period; none: the records do not say.
	Enrolled []enrolled `json:"enrolled"`
	// TipBefore is the tip that the first update of the period begins with, TipAfter the one that
	// the last ends with; updates from before the branch was enrolled count for these.
	TipBefore     string    `json:"tip_before"`
	TipAfter      string    `json:"tip_after"`
	FirstUpdateAt time.Time `json:"first_update_at,omitzero"`
	LastUpdateAt  time.Time `json:"last_update_at,omitzero"`
	Updates       int       `json:"updates"`
	// NotTold are the updates that no delivery told of: GitHub's activity showed them.
	NotTold int   `json:"not_told_by_delivery"`
	Gaps    []gap `json:"gaps"`
	// Commits are the first-parent commits of the updates.
	Commits commits `json:"commits"`
	// Blind are the ids of the exceptions that say when the branch could not be seen.
	Blind []string `json:"blind"`
	// Backfilled are the updates from before the branch was enrolled, which were read afterwards,
	// and Unenrolled the times of the period before it was, with how far it is known what reached it.
	Backfilled int          `json:"updates_before_installation,omitempty"`
	Unenrolled []unenrolled `json:"not_enrolled,omitempty"`

	leaf int64 // of the newest record that gave the repository and the branch their names
	seen int   // updates, those from before it was enrolled among them
}

// HeldBy are the modes in which updates reached the branch; where none did, those in which it was
// enrolled.
func (l branchLine) HeldBy() []string {
	if len(l.Modes) > 0 {
		return l.Modes
	}
	var out []string
	for _, e := range l.Enrolled {
		if !slices.Contains(out, e.Mode) {
			out = append(out, e.Mode)
		}
	}
	return out
}

// gap is a place at which an update does not begin where the one before it ended.
type gap struct {
	Update   int64  `json:"update"` // that comes after it
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// totals reconcile: changes are those of pull requests and those of none.
type totals struct {
	Updates              int `json:"updates"`
	Changes              int `json:"changes"`
	OfPullRequests       int `json:"of_pull_requests"`
	WithoutPullRequest   int `json:"without_pull_request"`
	Creations            int `json:"branches_made"`
	Deletions            int `json:"branches_deleted"`
	WithoutDecision      int `json:"without_decision"`
	Deviations           int `json:"deviations"`
	Gaps                 int `json:"gaps"`
	BlindIntervals       int `json:"blind_intervals"`
	RecordsDisposed      int `json:"records_disposed"`
	NotToldByAnyDelivery int `json:"not_told_by_any_delivery"`
	// Commits are the first-parent commits of all branches.
	Commits commits `json:"commits"`
	// DecisionsDisposed are the decisions of the period that are gone.
	DecisionsDisposed int `json:"decisions_disposed"`
	// BeforeInstallation are the changes from before their branch was enrolled, and NotRead the
	// times of which it is not known, or not to their beginning, what reached a branch before that.
	BeforeInstallation int `json:"before_installation,omitempty"`
	NotRead            int `json:"not_read,omitempty"`
}

// kindBlind is the kind of the exceptions that say when nothing could be seen.
const kindBlind = "blind-interval"

// reconcile looks at the branches of a sorted population, update by update, and at those that
// were enrolled and had none.
func reconcile(c *contents, updates []*change, found []followed) completeness {
	q := c.query
	out := completeness{V: 1, From: q.From, To: q.To, Branches: []branchLine{}, Totals: totals{Changes: len(c.changes), RecordsDisposed: c.disposals.records, DecisionsDisposed: c.disposals.decisions}, Scope: scopeWithin(c.scopes, q, c.asOf), Restored: restoredWithin(c.turns, q), Reconciled: reconciledWithin(c.reconciles, q)}
	lines, renamed := branchLines{}, renamesIn(updates)
	last := int64(-1)
	for _, x := range updates {
		out.Totals.count(x)
		if x.leaf == last {
			continue // of the same update
		}
		last = x.leaf
		lines.of(renamed.lines[x.leaf], x.update.repositoryID).add(x.leaf, x.update, renamed.halves[x.leaf])
	}
	for _, e := range c.enrolments {
		lines.of(renamed.at(e.branch(), e.since()), e.RepositoryID).enrol(e)
	}
	next := map[*branchLine]*enrolment{}
	for i := range c.later {
		e := &c.later[i]
		l := lines.of(renamed.at(e.branch(), e.since()), e.RepositoryID)
		if next[l] == nil {
			next[l] = e
		}
		if l.Branch == "" {
			l.named(e.leaf, e.Repository, e.Ref)
		}
	}
	history := historiesIn(c.histories)
	for _, l := range lines {
		l.Unenrolled = l.unenrolledIn(q, history, next[l])
		l.Enrolled = slices.DeleteFunc(l.Enrolled, func(e enrolled) bool { return !e.within(q) })
		if l.seen == 0 && len(l.Enrolled) == 0 && !l.unread() {
			continue
		}
		for _, f := range found {
			if e := f.newest(); e.Kind == kindBlind && (e.RepoID == 0 || e.RepoID == l.RepositoryID && (e.Ref == "" || slices.Contains(l.BranchNames, e.Ref))) {
				l.Blind = append(l.Blind, e.ID)
			}
		}
		out.Branches = append(out.Branches, *l)
		out.Totals.Updates += l.Updates
		out.Totals.NotToldByAnyDelivery += l.NotTold
		out.Totals.Gaps += len(l.Gaps)
		for _, u := range l.Unenrolled {
			if u.Why != "" {
				out.Totals.NotRead++
			}
		}
		out.Totals.Commits.add(l.Commits)
	}
	for _, f := range found {
		if f.newest().Kind == kindBlind {
			out.Totals.BlindIntervals++
		}
	}
	slices.SortFunc(out.Branches, func(a, b branchLine) int {
		return cmp.Or(cmp.Compare(a.RepositoryID, b.RepositoryID), cmp.Compare(a.Branch, b.Branch))
	})
	return out
}

// branchLines are the lines of the branches, by what tells branches apart.
type branchLines map[string]*branchLine

func (b branchLines) of(key string, repositoryID int64) *branchLine {
	if b[key] == nil {
		b[key] = &branchLine{RepositoryID: repositoryID, Modes: []string{}, Names: []string{}, BranchNames: []string{}, Enrolled: []enrolled{}, Gaps: []gap{}, Blind: []string{}, leaf: -1}
	}
	return b[key]
}

// named takes the names that the repository and the branch had when a leaf was recorded.
func (l *branchLine) named(leaf int64, repository, branch string) {
	if leaf > l.leaf || l.leaf < 0 {
		l.leaf, l.Repository, l.Branch = leaf, repository, branch
	}
	l.Names, l.BranchNames = with(l.Names, repository), with(l.BranchNames, branch)
}

func (t *totals) count(c *change) {
	if c.update.earlier && !c.update.moves() {
		return // it is no change
	}
	if c.update.earlier {
		t.BeforeInstallation++
	}
	switch {
	case c.number != 0:
		t.OfPullRequests++
	case c.update.kind == policy.UpdateCreation:
		t.Creations++
	case c.update.kind == policy.UpdateDeletion:
		t.Deletions++
	default:
		t.WithoutPullRequest++
	}
	if c.undecided() {
		t.WithoutDecision++
	}
	if c.deviates() {
		t.Deviations++
	}
}

// add takes the next update of the branch. Half of a renaming does not move it.
func (l *branchLine) add(leaf int64, u update, renaming bool) {
	before, after := u.before, u.after
	if renaming && u.kind == policy.UpdateCreation {
		before = after
	} else if renaming {
		after = before
	}
	if l.seen++; l.seen == 1 {
		l.TipBefore = before
	} else if before != l.TipAfter {
		l.Gaps = append(l.Gaps, gap{u.id, l.TipAfter, before})
	}
	// Which half comes first is GitHub's business; the branch has the name that was made.
	if u.earlier {
		leaf = -1 // it was recorded afterwards, and says nothing of what comes later
	}
	if !renaming || u.kind == policy.UpdateCreation {
		l.named(leaf, u.repository, u.ref)
	} else {
		l.BranchNames = with(l.BranchNames, u.ref)
	}
	l.TipAfter = after
	l.Commits.add(u.commits)
	if u.earlier {
		l.Backfilled++
		return
	}
	if l.LastUpdateAt = u.at; l.Updates == 0 {
		l.FirstUpdateAt = u.at
	}
	l.Updates++
	if u.seq == 0 {
		l.NotTold++
	}
	if mode := string(u.mode); !slices.Contains(l.Modes, mode) {
		l.Modes = append(l.Modes, mode)
	}
}

func (c completeness) json() ([]byte, error) { return indented(c) }
