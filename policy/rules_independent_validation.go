package policy

import (
	"fmt"
	"slices"
	"strings"
)

// RuleIndependentValidation says: what validated the change is not under the control of
// who wrote it.
//
// No validation that validated looks at comes from the App, the account or the vendor
// of an agent that was found in the change, or is a commit status that somebody behind
// the change set. Jobs of GitHub Actions are judged by their workflow file instead: the
// platform only runs what the file says.
//
// A workflow that the change leaves alone may not be the one of the governing base all the
// same: a run on a push takes it from the head, which may have started at an old commit,
// and in a stack it may come from a pull request further down. Then an owner must approve,
// as policy-integrity asks for where the change itself edits it, and until then the rule is
// pending. And a run for a pull request tests the merge with the branch that it goes to: where
// the head was proposed for another branch too, nobody knows which merge was tested, nor where the
// branch below in a stack moved meanwhile: see testedWithLower.
const (
	RuleIndependentValidation     = "independent-validation"
	revisionIndependentValidation = 1
)

func (j *judgement) independentValidation() ruling {
	r := RuleResult{
		Rule: RuleIndependentValidation, Revision: revisionIndependentValidation, Control: "PI1.1",
		Facts: []string{"validations", "workflows", "commits", "reviews", "teams"},
	}
	if why := append(j.validationsUnknown(), j.peopleUnknown()...); len(why) > 0 {
		return undecidable(r, why, "what validated this change is not known")
	}
	var dependent []string
	counted := 0
	for _, c := range j.checks {
		for _, v := range c.counted {
			counted++
			if why := j.dependent(v); why != "" {
				dependent = append(dependent, fmt.Sprintf("%s %s", shorten(c.ID, 100), why))
			}
		}
	}
	if len(dependent) > 0 {
		r.Outcome = OutcomeFail
		r.Reason = "A validation is not independent of who wrote the change: " + listed(dependent, 5) + "."
		r.Remedy = "Let something validate the change that the agent and the people behind it do not control, for example a job of the repository's own workflows."
		return ruling{RuleResult: r, title: "Needs a validation that the author of the change does not control"}
	}
	if elsewhere := j.testedElsewhere(); len(elsewhere) > 0 {
		r.Outcome = OutcomePending
		r.Reason = "This commit was also proposed for " + listed(shortenAll(j.f.Change.OtherBases, 100), 5) +
			", and GitHub does not say which of the merges was tested, or whose workflow ran: " + listed(shortenAll(elsewhere, 150), 5) + "."
		r.Remedy = "Push a commit, or update the branch from " + j.f.Change.GoverningRef + ", so that there is a commit which was proposed for " + j.f.Change.BaseRef + " alone."
		return ruling{RuleResult: r, title: "Update the branch: its tests may have run for another branch"}
	}
	if ruled, held := j.testedWithLower(r); held {
		return ruled
	}
	drifted, missing := j.driftedWorkflows()
	if len(missing) > 0 {
		why := "Whether a workflow is the one of the base is not known: " + listed(shortenAll(missing, 150), 5) + "."
		return undecidable(r, []string{why}, "what validated this change is not known")
	}
	if len(drifted) > 0 {
		ruled := j.ownersApproval(r, "What validated the change ran by a workflow that is not the one on "+j.f.Change.GoverningRef, "which workflow validated it", drifted)
		if ruled.Outcome == OutcomePending {
			ruled.Remedy = "Update the branch from " + j.f.Change.GoverningRef + " and let it run again. Or: " + ruled.Remedy
			ruled.title = "Update the branch: its tests ran by another workflow than the one on " + j.f.Change.GoverningRef
		}
		return ruled
	}
	if counted == 0 {
		r.Outcome, r.Reason = OutcomeNotApplicable, "There is no validation from the right source to judge yet."
		return ruling{RuleResult: r}
	}
	r.Outcome = OutcomePass
	r.Reason = "Nothing that validated the change is under the control of who wrote it."
	return ruling{RuleResult: r}
}

// dependent says how a validation depends on who wrote the change, "" when it does not.
func (j *judgement) dependent(v *Validation) string {
	if v.Kind == KindStatus {
		if why := j.behind(v.Creator); why != "" {
			return fmt.Sprintf("was set by %s, who %s", orSomebody(v.Creator.Login), why)
		}
		return j.sameMaker(j.cat.OfActor(v.Creator))
	}
	if v.App.isActions() {
		return ""
	}
	for _, list := range [][]Member{j.who.Authors, j.who.Initiators} {
		for _, m := range list {
			if m.Actor.Type == TypeBot && v.App.Slug != "" && strings.EqualFold(strings.TrimSuffix(m.Actor.Login, botSuffix), v.App.Slug) {
				return "comes from the App that is behind the change, " + v.App.Slug
			}
		}
	}
	return j.sameMaker(j.cat.ByApp(v.App.Slug))
}

// sameMaker says how a catalogued validator belongs to an agent found in the change.
func (j *judgement) sameMaker(validator *Agent) string {
	if validator == nil {
		return ""
	}
	for _, name := range j.foundAgents() {
		if name == validator.Name {
			return "comes from " + name + ", which is behind the change"
		}
		if found := j.cat.Named(name); found != nil && found.Vendor != "" && strings.EqualFold(found.Vendor, validator.Vendor) {
			return fmt.Sprintf("comes from %s, whose %s is behind the change", found.Vendor, name)
		}
	}
	return ""
}

// foundAgents are the agents that may have written something of the change: those that
// the class rests on, and those of every other signal, so that a further signal can
// only add to them. Left out are review products, whose suggestion a person accepted,
// and lone weak signals in a change that is otherwise a person's.
func (j *judgement) foundAgents() []string {
	var out []string
	agents := j.who.Class == ClassAgent || j.who.Class == ClassAssisted
	for _, name := range j.who.Agents {
		if agents && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, s := range j.who.Signals {
		if s.Agent == "" || s.Strength == StrengthWeak && !agents || slices.Contains(out, s.Agent) {
			continue
		}
		if a := j.cat.Named(s.Agent); a == nil || a.Kind == KindAgent && !a.Suggests {
			out = append(out, s.Agent)
		}
	}
	return out
}

// testedElsewhere are the workflow files of counted jobs that ran for a pull request, when that
// may have gone to another branch. Whoever can make a branch says what its workflow tests.
func (j *judgement) testedElsewhere() (paths []string) {
	if j.tested.group || len(j.f.Change.OtherBases) == 0 {
		return nil
	}
	return unique(append(j.countedOn("pull_request"), j.countedOn("pull_request_target")...))
}

// countedOn are the workflow files of counted jobs that ran on an event, each once.
func (j *judgement) countedOn(event string) (paths []string) {
	for _, c := range j.checks {
		for _, v := range c.counted {
			if v.Job != nil && v.Job.Event == event {
				paths = append(paths, v.Job.Path)
			}
		}
	}
	return unique(paths)
}

// driftedWorkflows are the workflow files of counted jobs that ran and are not those of
// the governing base, and those of which that is not known.
func (j *judgement) driftedWorkflows() (drifted, missing []string) {
	if j.tested.group {
		return nil, nil
	}
	for _, c := range j.checks {
		for _, v := range c.counted {
			if v.Job == nil || !strings.EqualFold(v.Job.Repository, j.f.Repository.Name) || !FromHead(v.Job.Path, v.Job.Event, &j.f.Change) {
				continue
			}
			i := slices.IndexFunc(j.f.Workflows, func(w WorkflowFile) bool { return w.Path == v.Job.Path })
			switch {
			case i < 0:
				missing = append(missing, v.Job.Path)
			case j.f.Workflows[i].HeadBlob != j.f.Workflows[i].BaseBlob || j.f.Workflows[i].HeadBlob == "":
				drifted = append(drifted, v.Job.Path)
			}
		}
	}
	return unique(drifted), unique(missing)
}

// FromHead reports whether a run of a workflow file takes it from somewhere else than from
// the merge with the governing base, so that the changed files do not tell whether it is
// the base's. What GitHub runs by itself has no file.
func FromHead(path, event string, c *Change) bool {
	switch {
	case !strings.HasPrefix(path, ".github/"):
		return false
	case c.GoverningRef != c.BaseRef:
		return true
	}
	return event != "pull_request" && event != "pull_request_target" && event != "merge_group"
}
