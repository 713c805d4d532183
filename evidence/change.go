package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

// change is one item of the population: a pull request that reached an enrolled branch, or an
// update of one that brought none.
type change struct {
	leaf   int64 // of the update
	update update
	number int    // of the pull request; 0: none
	head   string // that was merged; empty: none
	// decision is the leaf of the newest decision from before it was merged; -1: there was none.
	decision  int64
	record    string    // of that decision
	decidedAt time.Time // when it was recorded
	verdict   policy.Verdict
	class     policy.Class
	agents    []string
	kinds     []string // of what was found about it
	commits   int      // first-parent commits that it put on the branch; -1: they were not listed
	found     []policy.Finding
	measures  *policy.Measures // of that decision; nil: they were not kept
}

// update is what the changes that came with one update share.
type update struct {
	repositoryID  int64
	repository    string
	ref           string
	mode          policy.Mode
	id            int64
	kind          string // GitHub's
	before, after string
	at            time.Time
	actorID       int64
	actor         string
	seq           int64    // of the delivery that told of it; 0: none did
	group         int64    // leaf of the decision about its merge group; -1: there is none
	line          []string // its first-parent commits, oldest first
	listed        bool     // line is all of them
	commits       commits
	actorType     policy.ActorType
	// tests are the measures of the validations of its merge group; nil: they were not kept.
	tests      *policy.Measures
	recordedAt time.Time
	digest     string // of its record, with the salt
	// earlier is true of an update from before the branch was enrolled, which was read afterwards.
	earlier bool
}

// mergeBody is the body of a leaf about an update, as far as it is read here.
type mergeBody struct {
	Update    policy.UpdateFacts `json:"update"`
	Findings  []policy.Finding   `json:"findings"`
	Catalogue string             `json:"catalogue"`
}

// changesOf are the items that an update gives, if it lies in the period.
func (c *contents) changesOf(l ledger.Leaf, body []byte) ([]change, error) {
	if c.merge == nil {
		c.merge = quickly[mergeBody]()
	}
	m, err := c.merge(body)
	if err != nil {
		return nil, fmt.Errorf("leaf %d: %w", l.Seq, err)
	}
	return changesIn(l, *m, c.query), nil
}

// changesIn are the items of an update that was read.
func changesIn(l ledger.Leaf, m mergeBody, q Query) []change {
	f := m.Update
	if f.At.Before(q.From) || !f.At.Before(q.To) {
		return nil
	}
	u := update{
		repositoryID: f.RepositoryID, repository: f.Repository, ref: f.Ref, mode: f.Mode, id: f.ID, kind: f.Type,
		before: f.Before, after: f.After, at: f.At.UTC(), actorID: f.Actor.ID, actor: f.Actor.Login, actorType: f.Actor.Type, seq: f.Seq, group: -1,
		recordedAt: l.RecordedAt, digest: l.BodySHA256,
	}
	if f.Group != nil {
		u.group, u.tests = f.Group.LeafIndex, f.Group.Measures
	}
	u.line, u.listed = lineOf(f.FirstParents)
	merged := f.Merged()
	u.commits = countCommits(f.FirstParents, merged, u)
	if len(merged) == 0 {
		return []change{{leaf: l.Seq, update: u, decision: -1, kinds: kindsOf(m.Findings), found: m.Findings, commits: u.commitsOf(len(u.line))}}
	}
	var out []change
	for _, x := range merged {
		found := findingsAbout(m.Findings, x.Number)
		c := change{leaf: l.Seq, update: u, number: x.Number, head: x.HeadSHA, decision: -1, kinds: kindsOf(found), found: found, commits: u.commitsOf(numbered(f.FirstParents, x.Number))}
		if b := x.Before; b != nil {
			c.decision, c.record, c.decidedAt, c.verdict, c.class, c.agents = b.LeafIndex, b.RecordID, b.RecordedAt.UTC(), b.Verdict, b.Class, b.Agents
			c.measures = b.Measures
		}
		out = append(out, c)
	}
	return out
}

// findingsAbout are what was found about a pull request, and about the update as a whole.
func findingsAbout(findings []policy.Finding, number int) (out []policy.Finding) {
	for _, f := range findings {
		if f.Number == 0 || f.Number == number {
			out = append(out, f)
		}
	}
	return out
}

// kindsOf are the kinds of findings, each once.
func kindsOf(findings []policy.Finding) (out []string) {
	for _, f := range findings {
		out = append(out, f.Kind)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// id names the change for ever: by the repository's and the update's numeric ids, and the number
// of the pull request.
func (c change) id() string {
	b := strconv.AppendInt(make([]byte, 0, 48), c.update.repositoryID, 10)
	b = strconv.AppendInt(append(b, '/'), c.update.id, 10)
	return string(strconv.AppendInt(append(b, '/'), int64(c.number), 10))
}

// stratum is what the change is counted with.
func (c change) stratum() string {
	switch {
	case c.update.earlier:
		return beforeInstallation
	case c.number == 0:
		return "no pull request"
	case c.class == "":
		return "class not known"
	}
	return string(c.class)
}

// deviates says whether the control did not operate for the change as it should have. Before the
// branch was enrolled there was none that could.
func (c change) deviates() bool {
	return !c.update.earlier && (len(c.kinds) > 0 || c.number == 0 && c.update.moves() || c.undecided())
}

// undecided says whether no decision preceded the pull request's merge.
func (c change) undecided() bool {
	return !c.update.earlier && c.number != 0 && c.decision < 0 && c.update.group < 0
}

// branch tells branches apart, for ever.
func (u update) branch() string { return branchKey(u.repositoryID, u.ref) }

func branchKey(repositoryID int64, ref string) string { return fmt.Sprintf("%d/%s", repositoryID, ref) }

// moves says whether the update brought commits to the branch or took some away.
func (u update) moves() bool {
	return u.kind != policy.UpdateCreation && u.kind != policy.UpdateDeletion
}

// decisions are the leaves of the decisions that the change rests on.
func (c change) decisions() (out []int64) {
	for _, leaf := range []int64{c.decision, c.update.group} {
		if leaf >= 0 {
			out = append(out, leaf)
		}
	}
	return out
}

// sortChanges orders a population by the parts of its ids.
func sortChanges(list []change) {
	slices.SortFunc(list, compareChanges)
}

func compareChanges(a, b change) int {
	return cmp.Or(cmp.Compare(a.update.repositoryID, b.update.repositoryID), cmp.Compare(a.update.id, b.update.id), a.number-b.number)
}

// items are the population as it is drawn from.
func items(list []change, byClass bool) []Item {
	out := make([]Item, len(list))
	for i, c := range list {
		if out[i].ID = c.id(); byClass {
			out[i].Stratum = c.stratum()
		}
	}
	return out
}

// populationTable is the population as a table.
func populationTable(list []change) table {
	t := table{name: "population", title: "Population", columns: []string{"id", "leaf", "repository_id", "repository", "branch", "mode", "update", "type", "before", "after", "commits", "at", "actor_id", "actor",
		"told_by_delivery", "pull_request", "head_sha", "class", "agents", "decision_leaf", "decision", "verdict", "group_decision_leaf", "findings", "deviation", "tested"}}
	t.many, t.made = len(list), func(i int) []string {
		c := &list[i]
		u := &c.update
		return []string{c.id(), number64(c.leaf), number64(u.repositoryID), u.repository, u.ref, string(u.mode), number64(u.id), u.kind, u.before, u.after,
			knownOrNone(int64(c.commits)), moment(u.at), orNone(u.actorID), u.actor, yesNo(u.seq > 0), orNone(int64(c.number)), c.head, c.stratum(), strings.Join(c.agents, " "),
			knownOrNone(c.decision), c.record, string(c.verdict), knownOrNone(u.group), strings.Join(c.kinds, " "), yesNo(c.deviates()), c.tested()}
	}
	return t
}

// tested says whether the change can be tested.
func (c change) tested() string {
	if c.update.earlier {
		return string(resultNotTestable)
	}
	return "yes"
}

// knownOrNone is a number that is not shown when it is negative.
func knownOrNone(n int64) string {
	if n < 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
