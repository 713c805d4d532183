package policy

import (
	"cmp"
	"fmt"
	"slices"
)

// testedWithLower holds a stacked pull request whose counted runs may have tested something else
// than its head; held is false when they tested the head, or when none tests a merge.
//
// A run for a pull request tests the merge of the head with the branch that it goes to. In a stack
// that is the branch of the pull request below, which nobody reviewed yet and whoever can push moves:
// to tests that test nothing while they run, and back. A merge with a commit that the head contains
// is the head. So each commit that the branch was at since the head was pushed must be in the head.
// What an App or another system tested, it does not say: see MayTestMerge.
func (j *judgement) testedWithLower(r RuleResult) (ruled ruling, held bool) {
	c := &j.f.Change
	if j.tested.group || c.BaseRef == c.GoverningRef {
		return ruling{}, false
	}
	below := shorten(c.BaseRef, 100)
	after := "wait until " + below + " is merged, and update the branch from " + shorten(c.GoverningRef, 100) + " then."
	r.Facts = append(r.Facts, "stack")
	r.Outcome = OutcomePending
	if target := j.countedOn("pull_request_target"); len(target) > 0 {
		r.Reason = "A run on pull_request_target may take its workflow from " + below + ", which is not reviewed yet: " + listed(shortenAll(target, 150), 5) + "."
		r.Remedy = "Let it run on pull_request or push. Or " + after
		return ruling{RuleResult: r, title: "Its tests may have run by the workflow of " + below}, true
	}
	merging := j.mayTestMerge()
	if len(merging) == 0 {
		return ruling{}, false
	}
	why := j.otherThanHead()
	if why == "" {
		return ruling{}, false
	}
	r.Reason = "The tests ran on the merge with " + below
	if len(j.countedOn("pull_request")) == 0 {
		r.Reason = "What was tested may be the merge with " + below + " (" + listed(merging, 5) + ")"
	}
	r.Reason += ", and it is not known that this was the newest commit alone: " + why + "."
	r.Remedy = "Put the branch on the newest commit of " + below + ", push, and leave " + below + " as it is while the tests run. Or " + after
	return ruling{RuleResult: r, title: "Update the branch: its tests may have run with something else of " + below}, true
}

// MayTestMerge reports whether a validation may have tested the merge of the head with the branch
// that the pull request goes to. Only a run on push merges nothing. Other runs of GitHub Actions
// may be of the merge, or check it out, and an App or the account of a commit status tests what
// it likes.
func MayTestMerge(v *Validation) bool { return v.Job == nil || v.Job.Event != "push" }

// mayTestMerge are the counted validations that may have tested a merge, in plain words, each once.
func (j *judgement) mayTestMerge() (out []string) {
	for _, c := range j.checks {
		for _, v := range c.counted {
			if MayTestMerge(v) {
				out = append(out, j.describe(v))
			}
		}
	}
	return unique(out)
}

// otherThanHead says why the merge that was tested may be something else than the head, "" when
// it is the head.
func (j *judgement) otherThanHead() string {
	s, c := j.f.Stack, &j.f.Change
	switch {
	case s == nil:
		return "how the branches moved was not read"
	case s.Base.Why != "":
		return s.Base.Why
	case s.Pushed == nil || !s.Base.Complete:
		return "GitHub does not list when it was pushed"
	case len(s.OtherPulls) > 0:
		return fmt.Sprintf("another pull request, #%d, proposed it too", s.OtherPulls[0])
	}
	tips, why := s.tips(c.BaseSHA)
	if why != "" {
		return why
	}
	if tip := tips[len(tips)-1]; !j.headContains(tip) {
		return "it does not contain " + shorten(tip, 12) + ", where the branch below is now"
	}
	return ""
}

// tips are the commits that the branch below was at since the head was pushed, each an ancestor of
// the next; why says why that is not so. shown is the one that GitHub names with the pull request.
func (s *Stack) tips(shown string) (tips []string, why string) {
	for i, u := range s.Base.Items {
		since := u.Compare(*s.Pushed) > 0
		switch {
		case i > 0 && u.Before != tips[len(tips)-1]:
			return nil, "GitHub's list of the updates below has a gap"
		case !since, u.Type == UpdateCreation:
		case u.Type != UpdatePush && u.Type != UpdateMerge:
			return nil, "the branch below was set from " + shorten(u.Before, 12) + " to " + shorten(u.After, 12) + " since it was pushed"
		case i == 0:
			tips = append(tips, u.Before)
		}
		tips = append(tips, u.After)
	}
	switch {
	case len(tips) == 0:
		return []string{shown}, ""
	case !slices.Contains(tips, shown):
		return nil, "GitHub's list of the updates below does not lead to " + shorten(shown, 12)
	}
	return tips, ""
}

// Compare orders updates by GitHub's clock, which counts seconds, and then by its numbering.
func (u RefUpdate) Compare(other RefUpdate) int {
	return cmp.Or(u.At.Compare(other.At), cmp.Compare(u.ID, other.ID))
}

// headContains reports whether the commits of the change lead to a commit of the branch below: then
// the head has it in its history.
func (j *judgement) headContains(sha string) bool {
	return slices.ContainsFunc(j.f.Commits.Items, func(c Commit) bool { return slices.Contains(c.Parents, sha) })
}
