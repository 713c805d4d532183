package policy

import (
	"cmp"
	"slices"
	"time"
)

const (
	// FirstDayVersion is the version of the FirstDay format.
	FirstDayVersion = 1
	// MaxFirstDayExamples is how many changes of each kind a FirstDay names.
	MaxFirstDayExamples = 25
	// maxFirstDayReason bounds what is kept of a rule's reason, which may hold text from GitHub.
	maxFirstDayReason = 600
)

// FirstDay says what a policy would have held of what was merged before anything was decided.
//
// It is a reading of a day and no evidence: roles, teams, reviews, protection and the policy are those
// of At. Nothing in it is a decision.
type FirstDay struct {
	V            int       `json:"v"`
	Organisation string    `json:"organisation"`
	At           time.Time `json:"as_of"`
	Since        time.Time `json:"merged_since"`
	// PolicySHA256 is of the file that was tried in place of each repository's own; empty: the
	// policies in force.
	PolicySHA256 string           `json:"policy_sha256,omitempty"`
	All          FirstDayCounts   `json:"all"`
	Rules        []FirstDayRule   `json:"rules"`    // that would have held something, the most first
	Classes      []FirstDayClass  `json:"classes"`  // the most first
	Branches     []FirstDayBranch `json:"branches"` // by repository and name
	// Held and NotKnown are examples, the worst first, at most MaxFirstDayExamples.
	Held     []FirstDayChange `json:"held"`
	NotKnown []FirstDayChange `json:"not_known"`
	// Decided are merged pull requests that were decided on when they were open: they are left out.
	Decided int `json:"decided"`
	// Left are merged pull requests of enrolled branches beyond those that are looked at, the oldest, and
	// of branches that were too many to find out whether they are enrolled.
	Left int `json:"left"`
	// NotEnrolled are merged pull requests to branches that no policy enrols.
	NotEnrolled int `json:"not_enrolled"`
	// Unread are repositories of which not all could be read.
	Unread []FirstDayUnread `json:"unread"`
	// Until is when the last of it was read, where that took until then; absent: not known.
	Until time.Time `json:"read_until,omitzero"`
	// Repositories are how many were looked through; absent in reports that did not count them.
	Repositories int `json:"repositories,omitempty"`
	// Beginning is the policy by which changes to the default branches of repositories without a policy
	// were judged, as it would be for main; empty: those were left out.
	Beginning string `json:"beginning,omitempty"`
}

// FirstDayCounts are how many changes there were, and what is said of them.
type FirstDayCounts struct {
	Looked  int `json:"looked_at"`
	Held    int `json:"held"`
	Unknown int `json:"not_known"`
	Nothing int `json:"nothing_found"`
}

// FirstDayRule is how many changes a rule would have held. One change may be held by several.
type FirstDayRule struct {
	Rule string `json:"rule"`
	Held int    `json:"held"`
}

// FirstDayClass is what is said of the changes of a class.
type FirstDayClass struct {
	Class Class `json:"class"` // empty: not known
	FirstDayCounts
}

// FirstDayBranch is what is said of the changes to a branch.
type FirstDayBranch struct {
	Repository string `json:"repository"`
	Ref        string `json:"branch"`
	FirstDayCounts
	// Protected says whether the branch is protected today as the policy asks; Unprotected why not.
	// Unknown where no change could be read.
	Protected   Answer `json:"protected"`
	Unprotected string `json:"unprotected,omitempty"`
	// Beginning: its repository has no policy, and it was judged by the one to begin with.
	Beginning bool `json:"by_beginning,omitempty"`
	// Untested: that names no validation and the branch requires none. It is held against no change.
	Untested bool `json:"untested,omitempty"`
}

// FirstDayChange is a change of which there is something to say.
type FirstDayChange struct {
	Repository string             `json:"repository"`
	Ref        string             `json:"branch"`
	Number     int                `json:"number"`
	Title      string             `json:"title"`
	MergedAt   time.Time          `json:"merged_at"`
	Class      Class              `json:"class"` // empty: not known
	Rules      []FirstDayRuleSaid `json:"rules"`
	Why        string             `json:"why,omitempty"` // where no rule says it
}

// FirstDayRuleSaid is what a rule says of a change.
type FirstDayRuleSaid struct {
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

// FirstDayUnread is a repository of which not all could be read.
type FirstDayUnread struct {
	Repository string `json:"repository"`
	Why        string `json:"why"`
}

// NewFirstDay is a report of nothing yet.
func NewFirstDay(organisation string, at, since time.Time) *FirstDay {
	return &FirstDay{V: FirstDayVersion, Organisation: organisation, At: at.UTC().Truncate(time.Second), Since: since.UTC().Truncate(time.Second),
		Rules: []FirstDayRule{}, Classes: []FirstDayClass{}, Branches: []FirstDayBranch{}, Held: []FirstDayChange{}, NotKnown: []FirstDayChange{}, Unread: []FirstDayUnread{}}
}

// Add counts a change with what is said of it.
func (r *FirstDay) Add(c FirstDayChange, h Hindsight) {
	c.Class, c.Title, c.Rules, c.Why = h.Class, shorten(c.Title, 200), []FirstDayRuleSaid{}, shorten(h.Cause, maxFirstDayReason)
	for _, rule := range h.Rules {
		c.Rules = append(c.Rules, FirstDayRuleSaid{rule.Rule, shorten(rule.Reason, maxFirstDayReason)})
		if h.Answer == HindsightHeld {
			r.rule(rule.Rule).Held++
		}
	}
	branch := r.Branch(c.Repository, c.Ref)
	branch.Untested = branch.Untested || h.Untested
	for _, counts := range []*FirstDayCounts{&r.All, r.class(c.Class), &branch.FirstDayCounts} {
		counts.add(h.Answer)
	}
	switch h.Answer {
	case HindsightHeld:
		r.Held = append(r.Held, c)
	case HindsightNothing:
	default:
		r.NotKnown = append(r.NotKnown, c)
	}
}

func (c *FirstDayCounts) add(answer HindsightAnswer) {
	c.Looked++
	switch answer {
	case HindsightHeld:
		c.Held++
	case HindsightNothing:
		c.Nothing++
	default:
		c.Unknown++
	}
}

func (r *FirstDay) rule(name string) *FirstDayRule {
	for i := range r.Rules {
		if r.Rules[i].Rule == name {
			return &r.Rules[i]
		}
	}
	r.Rules = append(r.Rules, FirstDayRule{Rule: name})
	return &r.Rules[len(r.Rules)-1]
}

func (r *FirstDay) class(class Class) *FirstDayCounts {
	for i := range r.Classes {
		if r.Classes[i].Class == class {
			return &r.Classes[i].FirstDayCounts
		}
	}
	r.Classes = append(r.Classes, FirstDayClass{Class: class})
	return &r.Classes[len(r.Classes)-1].FirstDayCounts
}

// Branch is a branch of the report, until the next one is added.
func (r *FirstDay) Branch(repository, ref string) *FirstDayBranch {
	for i := range r.Branches {
		if r.Branches[i].Repository == repository && r.Branches[i].Ref == ref {
			return &r.Branches[i]
		}
	}
	r.Branches = append(r.Branches, FirstDayBranch{Repository: repository, Ref: ref, Protected: Unknown})
	return &r.Branches[len(r.Branches)-1]
}

// Finish puts everything in order, and keeps of the changes the worst.
func (r *FirstDay) Finish() {
	slices.SortFunc(r.Rules, func(a, b FirstDayRule) int { return cmp.Or(b.Held-a.Held, cmp.Compare(a.Rule, b.Rule)) })
	slices.SortFunc(r.Classes, func(a, b FirstDayClass) int {
		return cmp.Or(b.Looked-a.Looked, cmp.Compare(a.Class, b.Class))
	})
	slices.SortFunc(r.Branches, func(a, b FirstDayBranch) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Ref, b.Ref))
	})
	slices.SortFunc(r.Unread, func(a, b FirstDayUnread) int {
		return cmp.Or(cmp.Compare(a.Repository, b.Repository), cmp.Compare(a.Why, b.Why))
	})
	r.Held, r.NotKnown = worst(r.Held), worst(r.NotKnown)
}

// WithoutWords is the report without what people wrote and without their names: what stays is numbers,
// rules, repositories and branches, and why something could not be read, which is in our words alone.
func (r *FirstDay) WithoutWords() *FirstDay {
	out := *r
	out.Held, out.NotKnown, out.Branches = wordless(r.Held), wordless(r.NotKnown), slices.Clone(r.Branches)
	for i := range out.Branches {
		out.Branches[i].Unprotected = ""
	}
	return &out
}

func wordless(list []FirstDayChange) []FirstDayChange {
	out := slices.Clone(list)
	for i := range out {
		c := &out[i]
		c.Title, c.Rules = "", slices.Clone(c.Rules)
		for n := range c.Rules {
			c.Rules[n].Reason = ""
		}
	}
	return out
}

// worst are those of agents first, then those with most rules against them, then the newest.
func worst(list []FirstDayChange) []FirstDayChange {
	agents := func(c FirstDayChange) int {
		switch c.Class {
		case ClassAgent:
			return 2
		case ClassAssisted:
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(a, b FirstDayChange) int {
		return cmp.Or(agents(b)-agents(a), len(b.Rules)-len(a.Rules), b.MergedAt.Compare(a.MergedAt), cmp.Compare(a.Repository, b.Repository), b.Number-a.Number)
	})
	return list[:min(len(list), MaxFirstDayExamples)]
}
