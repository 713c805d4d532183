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
// A change to the validators' own files (validation.protect), to the policy, to
// CODEOWNERS in any of its three places, or to the workflow file of a validation, by
// either path of a rename, needs the approval of an owner that counts and is for the
// newest commit. Owners are the teams under validation.owners, or without them the
// people with the role maintain or admin. Until then the rule is pending.
//
// The same holds for a workflow that the change leaves alone and that is not the one of
// the governing base all the same: a run on a push takes it from the head, which may have
// started at an old commit, and in a stack it may come from a pull request further down.
const (
	RuleIndependentValidation     = "independent-validation"
	revisionIndependentValidation = 1
)

func (j *judgement) independentValidation() ruling {
	r := RuleResult{
		Rule: RuleIndependentValidation, Revision: revisionIndependentValidation, Control: "PI1.1",
		Facts: []string{"validations", "files", "workflows", "commits", "reviews", "teams"},
	}
	if why := j.independenceUnknown(); len(why) > 0 {
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
	touched, ok := j.protectedFiles()
	if !ok {
		return undecidable(r, []string{"A changed file has no path, or a glob of validation.protect cannot be used."}, "which files changed is not known")
	}
	if len(touched) > 0 {
		return j.ownersApproval(r, "The change touches files that validate changes", touched)
	}
	drifted, missing := j.driftedWorkflows()
	if len(missing) > 0 {
		why := "Whether a workflow is the one of the base is not known: " + listed(shortenAll(missing, 150), 5) + "."
		return undecidable(r, []string{why}, "what validated this change is not known")
	}
	if len(drifted) > 0 {
		ruled := j.ownersApproval(r, "What validated the change ran by a workflow that is not the one on "+j.f.Change.GoverningRef, drifted)
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
	r.Reason = "Nothing that validated the change is under the control of who wrote it, and the change leaves the validators' files alone."
	return ruling{RuleResult: r}
}

// independenceUnknown says which list is not whole.
func (j *judgement) independenceUnknown() []string {
	why := append(j.validationsUnknown(), j.peopleUnknown()...)
	if s := incomplete(j.f.Files, "changed files"); s != "" {
		why = append(why, s)
	}
	for _, name := range j.p.Validation.Owners {
		if team := j.team(name); team == nil || !team.Members.Complete {
			why = append(why, fmt.Sprintf("The members of the team %s could not all be read.", name))
		}
	}
	return why
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

// protectedFiles are the changed files that an owner must approve. It is not ok when
// that cannot be told.
func (j *judgement) protectedFiles() (touched []string, ok bool) {
	protect := j.p.Validation.Protect
	if len(protect) == 0 {
		protect = defaultProtect()
	}
	globs, ok := compileGlobs(protect)
	if !ok {
		return nil, false
	}
	exact := []string{Path, "CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS"}
	for _, c := range j.checks {
		for _, v := range c.counted {
			if v.Job != nil && strings.EqualFold(v.Job.Repository, j.f.Repository.Name) {
				exact = append(exact, v.Job.Path)
			}
		}
	}
	for _, v := range j.p.Validation.Required {
		if v.Workflow != "" && (v.Repository == "" || strings.EqualFold(v.Repository, j.f.Repository.Name)) {
			exact = append(exact, v.Workflow)
		}
	}
	exact = unique(exact)
	protected := func(path string) bool { return path != "" && (slices.Contains(exact, path) || matchAny(globs, path)) }
	for i := range j.f.Files.Items {
		file := &j.f.Files.Items[i]
		if file.Path == "" {
			return nil, false
		}
		switch {
		case protected(file.Path):
			touched = append(touched, file.Path)
		case protected(file.Previous):
			touched = append(touched, file.Previous+" (now "+file.Path+")")
		}
	}
	return touched, true
}

// driftedWorkflows are the workflow files of counted jobs that ran and are not those of
// the governing base, and those of which that is not known.
func (j *judgement) driftedWorkflows() (drifted, missing []string) {
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

// ownersApproval is the ruling when files need an owner's approval.
func (j *judgement) ownersApproval(r RuleResult, because string, touched []string) ruling {
	files := listed(shortenAll(touched, 150), 5)
	for _, review := range j.reviews {
		if review.valid && review.review.State == reviewApproved && review.eligible == yes && review.fresh && j.owns(review.review) {
			r.Outcome = OutcomePass
			r.Reason = fmt.Sprintf("%s (%s), and %s, an owner, approved it.", because, files, orSomebody(review.review.Actor.Login))
			return ruling{RuleResult: r}
		}
	}
	r.Outcome = OutcomePending
	r.Reason = fmt.Sprintf("%s, and no owner of them has approved it yet: %s.", because, files)
	r.Remedy = "An approval of the newest commit is needed from " + j.owners() + ", who did not write or request this."
	return ruling{RuleResult: r, title: "Needs the approval of an owner: files that validate changes are changed"}
}

func shortenAll(list []string, n int) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = shorten(s, n)
	}
	return out
}

// owns reports whether the author of a review owns the validators' files.
func (j *judgement) owns(r *Review) bool {
	if teams := j.p.Validation.Owners; len(teams) > 0 {
		is, _ := j.inTeams(r.Actor, teams)
		return is == yes
	}
	return atLeast(r.Permission, "maintain") == yes && atLeast(r.PermissionThen, "maintain") == yes
}

// owners says who the owners are.
func (j *judgement) owners() string {
	if teams := j.p.Validation.Owners; len(teams) > 0 {
		return "a member of " + listed(teams, 10)
	}
	return "somebody with the role maintain or admin"
}
