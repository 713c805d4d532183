package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// UpdateFacts is what is known of one update of an enrolled branch: what reached it, how, and
// what had been decided about it. It is judged after the fact: nothing can be held back any more.
//
// Field names and order are part of the evidence format; add, never change.
type UpdateFacts struct {
	// V is UpdateVersion at the time of collection.
	V            int    `json:"v"`
	RepositoryID int64  `json:"repository_id"`
	Repository   string `json:"repository"` // owner/name
	Ref          string `json:"ref"`        // branch
	Mode         Mode   `json:"mode"`       // of the branch
	// ID, Type, At and Actor are those of GitHub's activity: see gh.RefUpdate.
	ID     int64     `json:"id"`
	Type   string    `json:"type"`
	Before string    `json:"before"` // zeros: it was made
	After  string    `json:"after"`  // zeros: it was deleted
	At     time.Time `json:"at"`
	Actor  Actor     `json:"actor"`
	// Seq and ReceivedAt are of the first delivery that told of it; zero: none did.
	Seq        int64     `json:"seq"`
	ReceivedAt time.Time `json:"received_at,omitzero"`
	// Descends says whether Before is an ancestor of After. Of a new branch, it says whether
	// After was on an enrolled branch before.
	Descends Answer `json:"descends"`
	// Changes are the pull requests that GitHub says were merged by it.
	Changes List[MergedChange] `json:"changes"`
	// Files is the net diff between Before and After.
	Files List[File] `json:"files"`
	// Group is the newest decision about After as a merge group, from before; nil: none.
	Group *PriorDecision `json:"group,omitempty"`
	// FirstParents are the first-parent commits that it put on the branch, oldest first: those
	// that lead from After, along first parents, to what was there before. None for a branch that
	// was deleted; records from before they were kept have none, and do not call that complete.
	FirstParents List[FirstParentCommit] `json:"first_parents"`
}

// FirstParentCommit is a commit of the branch's own history.
type FirstParentCommit struct {
	SHA string    `json:"sha"`
	By  BroughtBy `json:"by"`
	// Number is the pull request that GitHub says it belongs to; 0: none. Of a direct push it is
	// one that GitHub calls merged because of it.
	Number int `json:"number,omitempty"`
}

// BroughtBy says what brought a first-parent commit to its branch.
type BroughtBy string

// What brings commits.
const (
	ByPullRequest BroughtBy = "pull_request" // merged, squashed or rebased
	ByMergeGroup  BroughtBy = "merge_group"  // a pull request that the merge queue merged
	ByDirectPush  BroughtBy = "direct"
	ByUnexplained BroughtBy = "unexplained" // GitHub names no pull request that was merged by it
)

// UpdateVersion is the version of the UpdateFacts format.
const UpdateVersion = 1

// Answer is "yes", "no" or, when it could not be found out, "unknown".
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown"
)

// MergedChange is a pull request that an update brought.
type MergedChange struct {
	Number  int    `json:"number"`
	HeadSHA string `json:"head_sha"` // the head that was merged
	// Before is the newest decision about this head from before it was merged, Later the first
	// from after. Nil: there is none.
	Before *PriorDecision `json:"before,omitempty"`
	Later  *PriorDecision `json:"later,omitempty"`
	// Files is the net diff that Before was made from.
	Files List[File] `json:"files"`
}

// PriorDecision is a decision that was recorded.
type PriorDecision struct {
	RecordID     string    `json:"record_id"`
	LeafIndex    int64     `json:"leaf_index"`
	RecordedAt   time.Time `json:"recorded_at"`
	Verdict      Verdict   `json:"verdict"`
	Mode         Mode      `json:"mode"`
	GoverningRef string    `json:"governing_ref"`
	// Members are those of a merge group.
	Members []MemberResult `json:"members,omitempty"`
	// Class and Agents are those of the decision's authorship; empty in records from before they
	// were kept here.
	Class  Class    `json:"class,omitempty"`
	Agents []string `json:"agents,omitempty"`
	// Measures are those of the decision; nil in records from before they were kept here, and
	// where it was made without facts.
	Measures *Measures `json:"measures,omitempty"`
}

// The kinds of findings about an update, as exceptions name them.
const (
	FindingDirectPush      = "direct-push"
	FindingForcePush       = "force-push"
	FindingRewritten       = "mainline-rewritten"
	FindingWithoutDecision = "merged-without-decision"
	FindingBeforeDecision  = "merged-before-decision"
	FindingWhileFailing    = "merged-while-failing"
	FindingByAgent         = "merged-by-agent"
	FindingContentDiffers  = "merged-content-differs"
)

// How bad a finding is.
const (
	SeverityHigh   = "high"
	SeverityMedium = "medium"
	SeverityLow    = "low"
)

// The types of updates, as GitHub's activity names them.
const (
	UpdatePush       = "push"
	UpdateForcePush  = "force_push"
	UpdateCreation   = "branch_creation"
	UpdateDeletion   = "branch_deletion"
	UpdateMerge      = "pr_merge"
	UpdateQueueMerge = "merge_queue_merge"
)

const (
	// notObservable is said where a right to bypass may have been used: never that none was.
	notObservable = " Whether somebody used a right to bypass the branch's rules is not observable here."
	// maxShownFiles and maxShownName bound the names in a reason.
	maxShownFiles = 5
	maxShownName  = 150
)

// Finding is something about an update that did not hold.
type Finding struct {
	Kind     string `json:"kind"`
	Severity string `json:"severity"` // "high", "medium" or "low"
	// Number, HeadSHA and RecordID are those of the pull request that it is about, and of the
	// decision; zero when it is about the update as a whole.
	Number   int    `json:"number,omitempty"`
	HeadSHA  string `json:"head_sha,omitempty"`
	RecordID string `json:"record_id,omitempty"`
	// Reason says what happened, in whole sentences. It may hold text from GitHub and is
	// escaped where it is shown.
	Reason string `json:"reason"`
}

// JudgeUpdate compares what reached an enrolled branch with what was decided before. No finding
// means that everything that came was decided on, passed, and is what was decided on. What could
// not be found out is never taken for that. On a branch in audit mode every finding is of low
// severity, and a decision that did not pass is none: audit blocks nobody.
func JudgeUpdate(cat *Catalogue, f *UpdateFacts) []Finding {
	sorted := *f // the order of lists never matters
	sorted.Changes.Items = slices.SortedFunc(slices.Values(f.Changes.Items), func(a, b MergedChange) int { return a.Number - b.Number })
	f = &sorted
	j := updateJudgement{f: f, cat: cat}
	switch f.Type {
	case UpdateDeletion:
	case UpdateCreation:
		j.creation()
	case UpdateForcePush:
		j.find(SeverityHigh, FindingForcePush, nil, fmt.Sprintf("%s force-pushed %s from %s to %s: what was there before is not in its history any more.", j.actor(), j.branch(), shortSHA(f.Before), shortSHA(f.After)))
	case UpdatePush:
		j.rewritten()
		j.directPush()
	case UpdateMerge, UpdateQueueMerge:
		j.rewritten()
		j.merge()
	default:
		j.find(SeverityMedium, FindingDirectPush, nil, fmt.Sprintf("%s moved %s from %s to %s in a way that is not known here: GitHub calls it %q.", j.actor(), j.branch(), shortSHA(f.Before), shortSHA(f.After), shorten(f.Type, 40)))
	}
	return j.findings
}

type updateJudgement struct {
	f        *UpdateFacts
	cat      *Catalogue
	findings []Finding
}

func (j *updateJudgement) find(severity, kind string, m *MergedChange, reason string) {
	finding := Finding{Kind: kind, Severity: severity, Reason: reason}
	if j.f.Mode != ModeEnforce {
		finding.Severity = SeverityLow
	}
	if m != nil {
		finding.Number, finding.HeadSHA = m.Number, m.HeadSHA
		if m.Before != nil {
			finding.RecordID = m.Before.RecordID
		}
	}
	j.findings = append(j.findings, finding)
}

func (j *updateJudgement) actor() string  { return orSomebody(j.f.Actor.Login) }
func (j *updateJudgement) branch() string { return shorten(j.f.Ref, maxShownName) }

func (j *updateJudgement) creation() {
	at := fmt.Sprintf("%s made the branch %s at %s", j.actor(), j.branch(), shortSHA(j.f.After))
	switch j.f.Descends {
	case Yes:
	case No:
		j.find(SeverityHigh, FindingDirectPush, nil, at+", and that commit was on no branch that is enrolled: nothing was decided about what it brings.")
	default:
		j.find(SeverityLow, FindingDirectPush, nil, at+". It could not be found out whether that commit was on a branch that is enrolled.")
	}
}

func (j *updateJudgement) rewritten() {
	if j.f.Descends == No {
		j.find(SeverityHigh, FindingRewritten, nil, fmt.Sprintf("%s was moved from %s to %s, and the first is not in the history of the second.", j.branch(), shortSHA(j.f.Before), shortSHA(j.f.After)))
	}
}

func (j *updateJudgement) directPush() {
	reason := fmt.Sprintf("%s pushed to %s directly, from %s to %s, without a pull request being merged.", j.actor(), j.branch(), shortSHA(j.f.Before), shortSHA(j.f.After))
	if len(j.f.Changes.Items) > 0 {
		reason = fmt.Sprintf("%s pushed to %s directly, from %s to %s. GitHub calls %s merged because of it, but nobody merged it.", j.actor(), j.branch(), shortSHA(j.f.Before), shortSHA(j.f.After), j.numbers())
	}
	j.find(SeverityHigh, FindingDirectPush, nil, reason+notObservable)
}

func (j *updateJudgement) numbers() string {
	var out []string
	for _, m := range j.f.Changes.Items {
		out = append(out, fmt.Sprintf("#%d", m.Number))
	}
	slices.Sort(out)
	return listed(out, maxShownFiles)
}

func (j *updateJudgement) merge() {
	if len(j.f.Changes.Items) == 0 {
		j.find(SeverityHigh, FindingWithoutDecision, nil, fmt.Sprintf("GitHub calls the update of %s from %s to %s a merge, and names no pull request that was merged by it.", j.branch(), shortSHA(j.f.Before), shortSHA(j.f.After)))
		return
	}
	if !j.f.Changes.Complete {
		j.find(SeverityMedium, FindingWithoutDecision, nil, fmt.Sprintf("Not every pull request that was merged into %s with %s could be found: %s.", j.branch(), shortSHA(j.f.After), j.f.Changes.Why))
	}
	for i := range j.f.Changes.Items {
		j.decided(&j.f.Changes.Items[i])
	}
	if j.f.Type == UpdateMerge {
		if agent := j.cat.OfActor(j.f.Actor); agent != nil && agent.Kind == KindAgent {
			j.find(SeverityMedium, FindingByAgent, &j.f.Changes.Items[0], fmt.Sprintf("%s was merged into %s by %s, which is an agent (%s), not a person.", j.numbers(), j.branch(), j.actor(), agent.Name))
		}
	}
	j.content()
}

// inGroup reports whether the merge group that became the tip of the branch passed with this
// pull request, at this head, in it.
func (j *updateJudgement) inGroup(m *MergedChange) bool {
	g := j.f.Group
	return g != nil && g.Verdict == VerdictPass && g.GoverningRef == j.f.Ref &&
		slices.ContainsFunc(g.Members, func(r MemberResult) bool { return r.Number == m.Number && r.HeadSHA == m.HeadSHA })
}

// decided looks for the decision that let the pull request in.
func (j *updateJudgement) decided(m *MergedChange) {
	if j.f.Type == UpdateQueueMerge && j.inGroup(m) {
		return
	}
	what := fmt.Sprintf("#%d was merged into %s at %s", m.Number, j.branch(), shortSHA(m.HeadSHA))
	d := m.Before
	switch {
	case d == nil && m.Later != nil:
		j.find(SeverityHigh, FindingBeforeDecision, m, what+fmt.Sprintf(" before anything was decided about it; the decision came after, and says %q. It stays a deviation, whatever it says.", m.Later.Verdict))
	case d == nil:
		j.find(SeverityHigh, FindingWithoutDecision, m, what+", and nothing was ever decided about this head."+notObservable)
	case d.GoverningRef != j.f.Ref:
		j.find(SeverityHigh, FindingWithoutDecision, m, what+fmt.Sprintf(", and what was decided about this head was decided for the branch %s.", shorten(d.GoverningRef, maxShownName)))
	case d.Verdict != VerdictPass && j.f.Mode == ModeEnforce:
		reason := what + fmt.Sprintf(", and the newest decision before that was not a pass but %q.", d.Verdict)
		j.find(SeverityHigh, FindingWhileFailing, m, reason+" Our required check does not let that through: it is not required, or somebody bypassed it."+notObservable)
	}
}

// content compares the net diff that was merged with those that were decided on, file by file.
func (j *updateJudgement) content() {
	decided := map[string]*File{}
	var shared []string
	ungrouped := false
	first := &j.f.Changes.Items[0]
	unable := func(why string) {
		j.find(SeverityLow, FindingContentDiffers, first, fmt.Sprintf("What %s brought to %s could not be compared with what was decided: %s.", j.numbers(), j.branch(), why))
	}
	for i := range j.f.Changes.Items {
		m := &j.f.Changes.Items[i]
		passed := m.Before != nil && (m.Before.Verdict == VerdictPass || j.f.Mode != ModeEnforce)
		if !passed && !j.inGroup(m) {
			return // there is a finding about it: nothing let this in
		}
		if !m.Files.Complete {
			unable(fmt.Sprintf("not all files of #%d are in its decision", m.Number))
			return
		}
		for n := range m.Files.Items {
			file := &m.Files.Items[n]
			if decided[file.Path] != nil {
				shared = append(shared, file.Path)
				ungrouped = ungrouped || !j.inGroup(m)
			}
			decided[file.Path] = file
		}
	}
	if len(shared) > 0 {
		if ungrouped { // else the group's own commit is what was tested and passed
			unable("several of them change " + shorten(slices.Min(shared), maxShownName))
		}
		return
	}
	if !j.f.Changes.Complete {
		return // there is a finding about it
	}
	if !j.f.Files.Complete {
		unable("GitHub does not list all of its files")
		return
	}
	j.compare(first, decided)
}

func (j *updateJudgement) compare(first *MergedChange, decided map[string]*File) {
	var other, unlike, hidden, missing []string
	for n := range j.f.Files.Items {
		file := &j.f.Files.Items[n]
		old := decided[file.Path]
		delete(decided, file.Path)
		switch {
		case old == nil || old.Previous != file.Previous || old.Status != file.Status:
			other = append(other, file.Path)
		case old.same(file, false):
		case old.PatchSHA256 == "" || file.PatchSHA256 == "":
			hidden = append(hidden, file.Path)
		case old.Additions == file.Additions && old.Deletions == file.Deletions:
			unlike = append(unlike, file.Path) // the lines around it may have moved
		default:
			other = append(other, file.Path)
		}
	}
	for path := range decided {
		missing = append(missing, path)
	}
	for _, f := range []struct {
		severity string
		paths    []string
		text     string
	}{
		{SeverityHigh, other, "brought something else to %s than was decided on, in %s."},
		{SeverityMedium, unlike, "brought as many lines to %s as were decided on, and they could not be shown to be the same (what is around them may have moved), in %s."},
		{SeverityLow, hidden, "was merged into %s and could not be compared with what was decided, because GitHub leaves out the difference (a large or binary file), in %s."},
		{SeverityLow, missing, "brought less to %s than was decided on: nothing changed in %s."},
	} {
		if len(f.paths) > 0 {
			slices.Sort(f.paths)
			j.find(f.severity, FindingContentDiffers, first, j.numbers()+" "+fmt.Sprintf(f.text, j.branch(), strings.TrimSpace(listed(shortenAll(f.paths, maxShownName), maxShownFiles))))
		}
	}
}
