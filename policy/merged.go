package policy

import (
	"strconv"
	"time"
)

// MergedMarks are what one change that reached an enrolled branch is counted by, and found by in
// lists: each figure over many changes is how many have a mark, so it agrees with its list.
//
// They are kept where they are counted. Add marks, never change what one says.
type MergedMarks []string

// What a change is counted by. Those that end with a colon have a value behind it.
const (
	// MergedAny: every pull request that reached the branch, and every update that brought none.
	MergedAny = "any"
	// MergedPull: a pull request. MergedDirect: an update without one that brought commits or took
	// some away. MergedBranch: the branch was made or deleted.
	MergedPull   = "pull"
	MergedDirect = "direct"
	MergedBranch = "branch"
	// MergedByAgent: written by an agent, or with one, as the class says. MergedBy and a name: there
	// is the strongest evidence of this agent. MergedWith and a name: there is evidence of it.
	MergedByAgent = "agent"
	MergedBy      = "by:"
	MergedWith    = "with:"
	// MergedClass and a class: of what is counted for no agent. Empty: the class is not known.
	MergedClass = "class:"
	// MergedReviewed and an Answer: whether an approval by an independent person counted before the
	// merge. MergedAgentReviewed is the same of what is MergedByAgent.
	MergedReviewed      = "reviewed:"
	MergedAgentReviewed = "agent-reviewed:"
	// MergedTests and "passed", "failed" (an attempt did), "none" or "unknown".
	MergedTests = "tests:"
	// MergedLatency and the seconds that the first review took at most, "longer", "none" (not before
	// the merge) or "unknown".
	MergedLatency = "latency:"
	// MergedKept and a ReviewKept, or "unknown".
	MergedKept = "kept:"
	// MergedUnknown is the value of what the record does not say.
	MergedUnknown = "unknown"
)

// MergedItem is one change that an update brought, as figures over many count it.
type MergedItem struct {
	Number  int // pull request; 0: none
	Marks   MergedMarks
	Class   Class  // empty: not known
	Agent   string // of which there is the strongest evidence; empty: none
	Reviews Answer // whether an independent approval counted
	// Attempts of validations, and those that failed; -1: not known.
	Attempts, Failed int
	// Latency is the time to the first review; -1: there was none before the merge, -2: not known.
	Latency time.Duration
	Kept    ReviewKept // empty: not known
}

// The values of MergedItem.Latency that are no time.
const (
	NoReview       = time.Duration(-1)
	LatencyUnknown = time.Duration(-2)
)

// Merged are the pull requests that the update brought. A push leads to none, whatever GitHub says
// was merged because of it.
func (f *UpdateFacts) Merged() []MergedChange {
	if f.Type != UpdateMerge && f.Type != UpdateQueueMerge {
		return nil
	}
	return f.Changes.Items
}

// MergedItems are the changes of an update, as figures over many count them.
func MergedItems(f *UpdateFacts) (out []MergedItem) {
	merged := f.Merged()
	if len(merged) == 0 {
		i := MergedItem{Marks: MergedMarks{MergedAny, MergedDirect}, Attempts: -1, Failed: -1, Latency: LatencyUnknown}
		if f.Type == UpdateCreation || f.Type == UpdateDeletion {
			i.Marks[1] = MergedBranch
		}
		return []MergedItem{i}
	}
	for _, m := range merged {
		out = append(out, mergedItem(f, m))
	}
	return out
}

func mergedItem(f *UpdateFacts, m MergedChange) MergedItem {
	i := MergedItem{Number: m.Number, Marks: MergedMarks{MergedAny, MergedPull}, Reviews: Unknown, Attempts: -1, Failed: -1, Latency: LatencyUnknown}
	var measures *Measures
	var agents []string
	if b := m.Before; b != nil {
		i.Class, agents, measures = b.Class, b.Agents, b.Measures
	}
	i.writtenBy(agents)
	i.reviewed(measures)
	tests := measures
	if f.Type == UpdateQueueMerge && f.Group != nil && f.Group.Measures != nil {
		tests = f.Group.Measures
	}
	i.tested(tests)
	i.inTime(measures, f.At)
	return i
}

// MainAgent is the agent of which there is the strongest evidence; empty: the change is counted by
// its class.
func MainAgent(class Class, agents []string) string {
	switch class {
	case ClassAgent, ClassAssisted, ClassSuggestion:
		if len(agents) > 0 {
			return agents[0]
		}
	}
	return ""
}

func (i *MergedItem) mark(kind, value string) { i.Marks = append(i.Marks, kind+value) }

func (i *MergedItem) writtenBy(agents []string) {
	for _, name := range agents {
		i.mark(MergedWith, name)
	}
	switch i.Class {
	case ClassAgent, ClassAssisted, ClassSuggestion:
		i.mark(MergedByAgent, "")
	}
	if i.Agent = MainAgent(i.Class, agents); i.Agent != "" {
		i.mark(MergedBy, i.Agent)
		return
	}
	i.mark(MergedClass, string(i.Class))
}

func (i *MergedItem) reviewed(m *Measures) {
	if m != nil {
		if i.Reviews = No; m.Approvals > 0 {
			i.Reviews = Yes
		}
	}
	i.mark(MergedReviewed, string(i.Reviews))
	switch i.Class {
	case ClassAgent, ClassAssisted, ClassSuggestion:
		i.mark(MergedAgentReviewed, string(i.Reviews))
	}
}

func (i *MergedItem) tested(m *Measures) {
	switch {
	case m == nil:
		i.mark(MergedTests, MergedUnknown)
		return
	case m.Failed > 0:
		i.mark(MergedTests, "failed")
	case m.Attempts == 0:
		i.mark(MergedTests, "none")
	default:
		i.mark(MergedTests, "passed")
	}
	i.Attempts, i.Failed = m.Attempts, m.Failed
}

func (i *MergedItem) inTime(m *Measures, merged time.Time) {
	if m == nil || m.ReadyAt.IsZero() {
		i.mark(MergedLatency, MergedUnknown)
		i.mark(MergedKept, MergedUnknown)
		return
	}
	i.Latency, i.Kept = NoReview, m.ReviewKept(merged)
	if !m.FirstReviewAt.IsZero() {
		i.Latency = max(0, m.FirstReviewAt.Sub(m.ReadyAt))
	}
	i.mark(MergedLatency, latencyClass(i.Latency))
	i.mark(MergedKept, string(i.Kept))
}

// LatencyClasses are the times to the first review that are told apart, in order: what took longer
// than one and at most the next is counted with that.
func LatencyClasses() []time.Duration {
	const m, h, d = time.Minute, time.Hour, 24 * time.Hour
	return []time.Duration{1 * m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 8 * m, 10 * m, 12 * m, 15 * m, 20 * m, 25 * m, 30 * m, 40 * m, 50 * m,
		1 * h, 3 * h / 2, 2 * h, 5 * h / 2, 3 * h, 4 * h, 5 * h, 6 * h, 8 * h, 10 * h, 12 * h, 16 * h, 20 * h,
		1 * d, 3 * d / 2, 2 * d, 5 * d / 2, 3 * d, 4 * d, 5 * d, 6 * d, 7 * d, 10 * d, 14 * d, 21 * d, 30 * d, 60 * d, 90 * d}
}

// LatencyLonger is the class of what took longer than all LatencyClasses, LatencyNone of what had no
// review before the merge.
const (
	LatencyLonger = "longer"
	LatencyNone   = "none"
)

func latencyClass(d time.Duration) string {
	if d < 0 {
		return LatencyNone
	}
	for _, most := range LatencyClasses() {
		if d <= most {
			return strconv.FormatInt(int64(most/time.Second), 10)
		}
	}
	return LatencyLonger
}

// ReviewKept says whether the first review kept to the time that the policy sets.
type ReviewKept string

// Whether it did.
const (
	KeptNoTime ReviewKept = "no-time" // the policy sets none
	KeptInTime ReviewKept = "in-time"
	KeptEarly  ReviewKept = "early" // merged before it was due, and not reviewed
	KeptLate   ReviewKept = "late"
)

// ReviewKept says of a change that was merged then whether its first review was in time.
func (m *Measures) ReviewKept(merged time.Time) ReviewKept {
	at := m.FirstReviewAt
	if at.IsZero() {
		at = merged
	}
	switch {
	case m.ReviewDueAt.IsZero():
		return KeptNoTime
	case m.FirstReviewAt.IsZero() && at.Before(m.ReviewDueAt):
		return KeptEarly
	case at.Before(m.ReviewDueAt):
		return KeptInTime
	}
	return KeptLate
}
