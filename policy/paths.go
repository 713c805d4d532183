package policy

import (
	"fmt"
	"slices"
	"strings"
)

// pathNeed is a path rule that applies to the change, or of which that is not known.
type pathNeed struct {
	rule *PathRule
	// because names what made it apply: a file, the size, a label, the branch.
	because string
	// unknown says why it is not known whether it applies; empty when it does.
	unknown string
}

// pathNeeds are the path rules that apply or may apply, in the order of the policy. Each
// condition of a rule must hold. What is known of an unfinished list of files is enough to
// apply a rule, and never enough to leave it out: so more files, more lines, one label more
// never ask for less.
func (j *judgement) pathNeeds() []pathNeed {
	if j.needs != nil || len(j.p.Paths) == 0 {
		return j.needs
	}
	needs := []pathNeed{}
	for i := range j.p.Paths {
		rule := &j.p.Paths[i]
		if need, applies := j.pathNeed(rule); applies != no {
			needs = append(needs, need)
		}
	}
	j.needs = needs
	return needs
}

// pathNeed says whether a path rule applies, and by what.
func (j *judgement) pathNeed(rule *PathRule) (pathNeed, answer) {
	need := pathNeed{rule: rule}
	var because, unknowns []string
	for _, condition := range []func(*PathRule) (answer, string){j.onBranch, j.labelled, j.touches, j.larger} {
		switch is, why := condition(rule); {
		case is == no:
			return pathNeed{}, no
		case is == unknown:
			unknowns = append(unknowns, why)
		case why != "":
			because = append(because, why)
		}
	}
	need.because = strings.Join(because, ", and ")
	if len(unknowns) > 0 {
		need.unknown = strings.Join(unique(unknowns), " ")
		return need, unknown
	}
	return need, yes
}

func (j *judgement) onBranch(rule *PathRule) (answer, string) {
	if len(rule.Branches) == 0 {
		return yes, ""
	}
	globs, ok := compileGlobs(rule.Branches)
	switch {
	case globs.match(j.f.Change.GoverningRef):
		return yes, "it goes to " + shorten(j.f.Change.GoverningRef, 100)
	case !ok:
		return unknown, "A glob of paths cannot be used."
	}
	return no, ""
}

// labelled compares labels as GitHub does, without regard to case.
func (j *judgement) labelled(rule *PathRule) (answer, string) {
	if len(rule.Labels) == 0 {
		return yes, ""
	}
	for _, want := range rule.Labels {
		for _, label := range j.f.Change.Labels {
			if strings.EqualFold(label, want) {
				return yes, "it has the label " + shorten(want, 60)
			}
		}
	}
	return no, ""
}

// touches says whether a changed file matches, and which: the first by its path.
func (j *judgement) touches(rule *PathRule) (answer, string) {
	if len(rule.Match) == 0 {
		return yes, ""
	}
	globs, ok := compileGlobs(rule.Match)
	first, n := "", 0
	for i := range j.f.Files.Items {
		file := &j.f.Files.Items[i]
		path := ""
		switch {
		case globs.match(file.Path):
			path = file.Path
		case file.Previous != "" && globs.match(file.Previous):
			path = file.Previous
		default:
			ok = ok && file.Path != ""
			continue
		}
		if n++; n == 1 || path < first {
			first = path
		}
	}
	switch why := incomplete(j.f.Files, "changed files"); {
	case n == 1:
		return yes, shorten(first, 150) + " is changed"
	case n > 1:
		return yes, fmt.Sprintf("%s and %d more files of %s are changed", shorten(first, 150), n-1, listed(shortenAll(rule.Match, 60), 3))
	case why != "":
		return unknown, why
	case !ok:
		return unknown, "A changed file has no path, or a glob of paths cannot be used."
	}
	return no, ""
}

func (j *judgement) larger(rule *PathRule) (answer, string) {
	if rule.LargerThan == nil {
		return yes, ""
	}
	lines := 0
	for i := range j.f.Files.Items {
		lines += max(0, j.f.Files.Items[i].Additions) + max(0, j.f.Files.Items[i].Deletions)
	}
	switch why := incomplete(j.f.Files, "changed files"); {
	case lines > *rule.LargerThan:
		return yes, fmt.Sprintf("it changes more than %s", count(*rule.LargerThan, "line"))
	case why != "":
		return unknown, why
	}
	return no, ""
}

// String says when the rule applies and what it asks for, for example "2 in all, 1 of
// acme/payments, where payments/** changes".
func (p *PathRule) String() string {
	asks := []string{fmt.Sprintf("%d in all", p.approvals())}
	if n := p.fromTeams(); n > 0 {
		asks = append(asks, fmt.Sprintf("%d of %s", n, strings.Join(p.Teams, " or ")))
	}
	var where []string
	if len(p.Match) > 0 {
		where = append(where, strings.Join(p.Match, " or ")+" changes")
	}
	if p.LargerThan != nil {
		where = append(where, fmt.Sprintf("more than %s change", count(*p.LargerThan, "line")))
	}
	if len(p.Labels) > 0 {
		where = append(where, "the label is "+strings.Join(p.Labels, " or "))
	}
	if len(p.Branches) > 0 {
		where = append(where, "the branch is "+strings.Join(p.Branches, " or "))
	}
	return strings.Join(asks, ", ") + ", where " + strings.Join(where, " and ")
}

// approvals is how many approvals the rule asks for in all, at least those of its teams.
func (p *PathRule) approvals() int { return max(numberOr(p.Approvals, 0), p.fromTeams()) }

// fromTeams is how many of them must be by members of the teams.
func (p *PathRule) fromTeams() int {
	if len(p.Teams) == 0 {
		return 0
	}
	return max(1, numberOr(p.FromTeams, 1))
}

// pathApprovals is the largest number of approvals that a path rule asks for, and why.
func (j *judgement) pathApprovals() (n int, why string) {
	for _, need := range j.pathNeeds() {
		if asked := need.rule.approvals(); asked > n {
			n, why = asked, need.because
		}
	}
	return n, why
}

// pathsUnknown says why it is not known what the paths of the policy ask for.
func (j *judgement) pathsUnknown() (why []string) {
	for _, need := range j.pathNeeds() {
		if need.unknown != "" {
			why = append(why, need.unknown)
		}
		for _, name := range need.rule.Teams {
			if team := j.team(name); team == nil || !team.Members.Complete {
				why = append(why, fmt.Sprintf("The members of the team %s could not all be read.", name))
			}
		}
	}
	return unique(why)
}

// teamsMissing are the path rules whose teams have not approved enough, with how many
// approvals of theirs are there. Freshly asks for approvals of the newest commit.
func (j *judgement) teamsMissing(freshly bool) (missing []pathNeed, have []int) {
	for _, need := range j.pathNeeds() {
		n := 0
		for _, r := range j.reviews {
			if !r.approves() || freshly && !r.counts() || len(need.rule.Teams) == 0 {
				continue
			}
			if is, _ := j.inTeams(r.review.Actor, need.rule.Teams); is == yes {
				n++
			}
		}
		if n < need.rule.fromTeams() {
			missing, have = append(missing, need), append(have, n)
		}
	}
	return missing, have
}

// teamsRuling is the pending ruling when teams have not approved yet; ok is false when all
// have. What names the approvals that count, for example "of the newest commit".
func (j *judgement) teamsRuling(r RuleResult, freshly bool) (ruled ruling, ok bool) {
	missing, have := j.teamsMissing(freshly)
	if len(missing) == 0 {
		return ruling{}, false
	}
	var reasons, who []string
	for i, need := range missing {
		of := ""
		if freshly {
			of = " for the newest commit"
		}
		reasons = append(reasons, fmt.Sprintf("%s by members of %s needed%s, %d given, because %s.",
			count(need.rule.fromTeams(), "approval"), listed(need.rule.Teams, 5), of, have[i], need.because))
		who = append(who, listed(need.rule.Teams, 5))
	}
	who = unique(who)
	r.Outcome = OutcomePending
	r.Reason = strings.Join(reasons[:min(len(reasons), 5)], " ")
	r.Remedy = fmt.Sprintf("Ask a member of %s for a review, who did not write, push or request this change.", strings.Join(who[:min(len(who), 5)], ", and one of "))
	title := fmt.Sprintf("Needs the approval of %s: %s", shorten(listed(missing[0].rule.Teams, 2), 60), shorten(missing[0].because, 90))
	return ruling{RuleResult: r, title: title}, true
}

// pathOwners says which teams must still approve, in plain words; empty when none must.
func (j *judgement) pathOwners() string {
	missing, have := j.teamsMissing(true)
	var out []string
	for i, need := range missing {
		s := fmt.Sprintf(" %d of them must be a member of %s.", need.rule.fromTeams()-have[i], listed(need.rule.Teams, 5))
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out[:min(len(out), 5)], "")
}
