package evidence

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// How something got past the review that it needed.
const (
	byEmergency  = "emergency"
	byDirectPush = "direct push"
	byBypass     = "bypass" // merged without a decision that let it in
)

// unreviewed is one change, or one declaration, that got past its review: an emergency, or what
// reached a branch past the control.
type unreviewed struct {
	way    string
	change *change   // nil: the change of the emergency is not in the population
	kept   *followed // the exception that follows it up; nil: there is none in the period
}

// pastReview unites emergencies with direct pushes and bypasses, in the order of the population;
// declarations whose change did not reach a branch in the period come last.
func (f *findings) pastReview() (out []unreviewed) {
	type pull struct {
		repository int64
		number     int
		head       string
	}
	declared, used := map[pull][]*followed{}, map[string]bool{}
	for i := range f.exceptions {
		if x := &f.exceptions[i]; x.newest().Kind == kindEmergency {
			e := x.newest()
			key := pull{e.RepoID, e.Number, e.SHA}
			declared[key] = append(declared[key], x)
		}
	}
	for i := range f.changes {
		c := &f.changes[i]
		for _, x := range declared[pull{c.update.repositoryID, c.number, c.head}] {
			out = append(out, unreviewed{byEmergency, c, x})
			used[x.id] = true
		}
		if way := c.past(); way != "" {
			out = append(out, unreviewed{way, c, f.followedUp(c)})
		}
	}
	for i := range f.exceptions {
		if x := &f.exceptions[i]; x.newest().Kind == kindEmergency && !used[x.id] {
			out = append(out, unreviewed{way: byEmergency, kept: x})
		}
	}
	return out
}

// past is the way in which a change got past the control; empty: it did not.
func (c *change) past() string {
	found := slices.ContainsFunc(c.kinds, func(kind string) bool { return slices.Contains(bypassKinds(), kind) })
	switch {
	case c.update.earlier:
	case c.number == 0 && (found || c.update.moves()):
		return byDirectPush
	case c.number != 0 && (found || c.undecided()):
		return byBypass
	}
	return ""
}

// followedUp is the first exception about what was found of a change; nil: there is none.
func (f *findings) followedUp(c *change) *followed {
	for j := range f.exceptions {
		x := &f.exceptions[j]
		e := x.newest()
		about := e.RepoID == c.update.repositoryID && e.SHA == c.update.after && (e.Number == 0 || e.Number == c.number)
		if about && slices.Contains(bypassKinds(), e.Kind) && slices.Contains(c.kinds, e.Kind) {
			return x
		}
	}
	return nil
}

// emergencyTable lists what got past its review, with who answers for it and what became of it.
func (f *findings) emergencyTable() table {
	t := table{name: "emergency", title: "Emergencies and bypasses", columns: []string{"way", "id", "leaf", "repository", "branch", "pull_request", "commit", "merged_at", "by", "declared_by", "declared_at", "ticket", "reason",
		"declarations_by_same", "exception", "state", "review_or_settlement_due", "settled_at", "settled_by", "settlement", "in_time"}}
	list := f.pastReview()
	declared := declarations(list)
	for _, x := range list {
		row := slices.Concat([]string{x.way}, x.changeColumns(), x.declared().columns(declared), x.keptColumns(f))
		t.rows = append(t.rows, row)
	}
	return t
}

// declarations counts the emergencies by who declared them.
func declarations(list []unreviewed) map[string]int {
	n := map[string]int{}
	for _, x := range list {
		if who := x.declared().by; who != "" {
			n[who]++
		}
	}
	return n
}

func (x unreviewed) changeColumns() []string {
	c := x.change
	if c == nil {
		e := x.kept.newest()
		return []string{"", "", e.Repository, e.Ref, orNone(int64(e.Number)), e.SHA, "", ""}
	}
	u := c.update
	return []string{c.id(), number64(c.leaf), u.repository, u.ref, orNone(int64(c.number)), u.after, moment(u.at), u.actor}
}

// declaration is who answers for it, and why.
type declaration struct {
	by, ticket, reason string
	at                 time.Time
}

// declared is the declaration of an emergency; of what nobody declared, only what was found.
func (x unreviewed) declared() (d declaration) {
	if x.way != byEmergency {
		return declaration{reason: reasonsOf(slices.DeleteFunc(slices.Clone(x.change.found), func(f policy.Finding) bool { return !slices.Contains(bypassKinds(), f.Kind) }))}
	}
	e := x.kept.steps[0]
	d = declaration{by: e.Owner, at: e.OpenedAt, reason: e.Reason}
	if x.change != nil && x.change.measures != nil && x.change.measures.Emergency != nil {
		m := x.change.measures.Emergency
		d = declaration{m.By.Login, m.Ticket, m.Reason, m.DeclaredAt}
	}
	return d
}

func (d declaration) columns(counts map[string]int) []string {
	same := ""
	if d.by != "" {
		same = strconv.Itoa(counts[d.by])
	}
	return []string{d.by, moment(d.at), d.ticket, d.reason, same}
}

// keptColumns say what became of it. What nothing follows up was not settled in time.
func (x unreviewed) keptColumns(f *findings) []string {
	if x.kept == nil {
		return []string{"", "", "", "", "", "No exception of the period follows it up.", "no"}
	}
	e := x.kept.newest()
	by, settlement := "", e.Remediation
	if e.State == exceptionClosed {
		by = e.By
	}
	return []string{e.ID, e.State, moment(e.DueAt), moment(e.ClosedAt), by, strings.TrimSpace(settlement), cmp.Or(x.kept.inTime(f), "no date")}
}
