package policy

import (
	"fmt"
	"slices"
)

// RulePolicyIntegrity says: nobody changes alone what changes are held to.
//
// The policy itself is always the one on the governing base. A change to it, to CODEOWNERS
// in any of its three places, to a workflow or an action of the repository, to what else
// lies under .github/countersign, or to the validators' own files (validation.protect), by
// either path of a rename, needs the approval of an owner that counts and is for the newest
// commit. Owners are the teams under validation.owners, or without them the people with the
// role maintain or admin. Until then the rule is pending. A policy file that could not be
// used fails: only somebody who bypasses the branch's protection could repair it afterwards.
const (
	RulePolicyIntegrity     = "policy-integrity"
	revisionPolicyIntegrity = 1
)

// AlwaysProtected are globs of the files that guard changes whatever the policy names. The
// organisation's policy has the same path, in the repository .github.
func AlwaysProtected() []string {
	return append([]string{Path, ".github/countersign/**", "CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS"}, defaultProtect()...)
}

var alwaysProtected = func() pathGlobs {
	globs, ok := compileGlobs(AlwaysProtected())
	if !ok {
		panic("policy: a glob of AlwaysProtected cannot be used")
	}
	return globs
}()

func (j *judgement) policyIntegrity() ruling {
	r := RuleResult{
		Rule: RulePolicyIntegrity, Revision: revisionPolicyIntegrity, Control: "CC8.1",
		Facts: []string{"policy", "files", "commits", "reviews", "teams"},
	}
	if s := incomplete(j.f.Files, "changed files"); s != "" {
		return undecidable(r, []string{s}, "which files changed is not known")
	}
	touched, ok := j.protectedFiles()
	if !ok {
		return undecidable(r, []string{"A changed file has no path, or a glob of validation.protect cannot be used."}, "which files changed is not known")
	}
	if marks := j.unusable; len(marks) > 0 {
		r.Outcome = OutcomeFail
		r.Reason = fmt.Sprintf("The policy file that the change brings cannot be used: %s, marked in the file. Merged, it would hold every change.", count(len(marks), "problem"))
		r.Remedy = "Repair the file; \"countersign policy check\" says the same before you push."
		return ruling{RuleResult: r, title: "Repair " + Path + " in this change"}
	}
	if len(touched) > 0 {
		return j.ownersApproval(r, "The change edits what guards the branch", "the change to what guards the branch", touched)
	}
	r.Outcome = OutcomePass
	r.Reason = fmt.Sprintf("%s looked at: none is the policy, CODEOWNERS, a workflow or another file that guards changes.", count(len(j.f.Files.Items), "changed file"))
	return ruling{RuleResult: r}
}

// protectedFiles are the changed files that an owner must approve, sorted. It is not ok when
// that cannot be told.
func (j *judgement) protectedFiles() (touched []string, ok bool) {
	globs, ok := compileGlobs(j.p.Validation.Protect)
	if !ok {
		return nil, false
	}
	guards := func(path string) bool { return alwaysProtected.match(path) || globs.match(path) }
	for i := range j.f.Files.Items {
		file := &j.f.Files.Items[i]
		switch {
		case file.Path == "":
			return nil, false
		case guards(file.Path):
			touched = append(touched, file.Path)
		case file.Previous != "" && guards(file.Previous):
			touched = append(touched, file.Previous+" (now "+file.Path+")")
		}
	}
	slices.Sort(touched)
	return touched, true
}

// ownersUnknown says why it cannot be told whether an owner approved.
func (j *judgement) ownersUnknown() []string {
	why := j.peopleUnknown()
	for _, name := range j.p.Validation.Owners {
		if team := j.team(name); team == nil || !team.Members.Complete {
			why = append(why, fmt.Sprintf("The members of the team %s could not all be read.", name))
		}
	}
	return why
}

// ownersApproval is the ruling when files need an owner's approval. What is not known when
// the people are not, is in unsure.
func (j *judgement) ownersApproval(r RuleResult, because, unsure string, touched []string) ruling {
	if why := j.ownersUnknown(); len(why) > 0 {
		return undecidable(r, why, unsure+" is not known to be approved by an owner")
	}
	files := listed(shortenAll(touched, 150), 5)
	var others, unconfirmed []string
	for _, review := range j.reviews {
		if review.unconfirmed() && j.owns(review.review) {
			unconfirmed = append(unconfirmed, orSomebody(review.review.Actor.Login))
		}
		if review.counts() && !j.owns(review.review) {
			others = append(others, orSomebody(review.review.Actor.Login))
		}
		if review.valid && review.review.State == reviewApproved && review.eligible == yes && review.fresh && review.confirmed && j.owns(review.review) {
			r.Outcome = OutcomePass
			r.Reason = fmt.Sprintf("%s (%s), and %s, an owner, approved it.", because, files, orSomebody(review.review.Actor.Login))
			return ruling{RuleResult: r}
		}
	}
	r.Outcome = OutcomePending
	r.Reason = fmt.Sprintf("%s, and no owner of it approved the newest commit yet: %s.", because, files)
	if len(others) > 0 {
		r.Reason += " Not an owner: " + listed(others, 5) + "."
	}
	if len(unconfirmed) > 0 {
		r.Reason += " Approved and not confirmed: " + listed(unconfirmed, 5) + "."
	}
	r.Remedy = "An approval of the newest commit is needed from " + j.owners() + ", who did not write or request this."
	return ruling{RuleResult: r, owner: true, title: "Needs the approval of an owner for " + listed(shortenAll(touched, 80), 1)}
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
