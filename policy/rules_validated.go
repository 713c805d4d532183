package policy

import (
	"fmt"
	"slices"
	"strings"
)

// RuleValidated says: every validation that the policy names ran on the head, from the
// source that the policy names, and its newest attempt concluded "success". When the
// policy names none, those that the base branch requires, less our own check; if that
// leaves none, the rule fails, because nothing validated the change.
//
// A validation is identified by who ran it: the App, for GitHub Actions the repository,
// workflow file, event and job with a real job behind the check run, for a commit
// status the account. Never by name alone. Newest is the highest id, which GitHub
// assigns; jobs of one name in one run, in several workflows or on several events count
// all. Skipped, neutral, cancelled, stale and the like are failures by name.
//
// Running is pending. Not there is pending for ten minutes after the head was first
// seen, or after something else from the same source finished, and a failure from then
// on; when it was first seen is not known, it is a failure at once.
const (
	RuleValidated     = "validated"
	revisionValidated = 1
)

func (j *judgement) validated() ruling {
	r := RuleResult{
		Rule: RuleValidated, Revision: revisionValidated, Control: "PI1.1",
		Facts: []string{"validations", "change.head_sha", "pushes"},
	}
	if why := j.validationsUnknown(); len(why) > 0 {
		return undecidable(r, why, "which validations ran is not known")
	}
	if len(j.checks) == 0 {
		r.Outcome = OutcomeFail
		r.Reason = "No validation is required: the policy names none, and the branch requires none but our own check."
		r.Remedy = "Name at least one under validation.required in " + Path + ", or require one on the branch " + j.f.Change.GoverningRef + "."
		return ruling{RuleResult: r, title: "Name at least one validation in the policy"}
	}
	var failed, pending, fine []judgedCheck
	for _, c := range j.checks {
		switch {
		case c.pending:
			pending = append(pending, c)
		case c.State == stateSuccess:
			fine = append(fine, c)
		default:
			failed = append(failed, c)
		}
	}
	switch {
	case len(failed) > 0:
		r.Outcome = OutcomeFail
		r.Reason = said(failed)
		r.Remedy = remedies(failed)
		return ruling{RuleResult: r, title: validationTitle(failed)}
	case len(pending) > 0:
		r.Outcome = OutcomePending
		r.Reason = said(pending)
		r.Remedy = "Nothing to do: this is updated when they finish."
		return ruling{RuleResult: r, title: "Waiting for " + checkIDs(pending)}
	}
	r.Outcome = OutcomePass
	r.Reason = fmt.Sprintf("%s succeeded on this commit: %s.", count(len(fine), "validation"), checkIDs(fine))
	return ruling{RuleResult: r}
}

// validationsUnknown says why it is not known what ran, or what should have.
func (j *judgement) validationsUnknown() (why []string) {
	if s := incomplete(j.tested.runs, "check runs and statuses"); s != "" {
		why = append(why, s)
	}
	if s := j.protectionUnknown(); s != "" && j.p.Validation.OfBranch() {
		why = append(why, s)
	}
	return why
}

// said says of each validation what was found.
func said(checks []judgedCheck) string {
	var parts []string
	for _, c := range checks {
		parts = append(parts, fmt.Sprintf("%s (%s): %s", shorten(c.ID, 100), c.State, c.Why))
	}
	return listed(parts, 10) + "."
}

func checkIDs(checks []judgedCheck) string {
	var ids []string
	for _, c := range checks {
		ids = append(ids, shorten(c.ID, 60))
	}
	return listed(ids, 3)
}

// remedies says what to do, once for each kind of failure.
func remedies(failed []judgedCheck) string {
	var out []string
	for _, c := range failed {
		if s := remedy(c.State); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// remedy says what to do about one state.
func remedy(state string) string {
	switch state {
	case stateMissing:
		return "Make it run on this commit: look at its triggers and path filters, or push again."
	case stateWrongSource:
		return "Only the source that the policy or the branch names counts: let that one run, or change the policy."
	case stateForgedSource:
		return "Find out which workflow posts this check run in the name of GitHub Actions, and let the real job run."
	case stateUnpinned:
		return "An administrator pins the required check to its App, or it is named under validation.required in " + Path + "."
	case "skipped", "neutral":
		return "It must run and succeed: change the condition that skips it."
	case "action_required":
		return "Somebody with write access allows the run in the Actions tab."
	case "cancelled", "timed_out", stateStale:
		return "Run it again."
	}
	return "Repair what it found, or run it again if it was not the change."
}

// validationTitle says what is wrong with the first one.
func validationTitle(failed []judgedCheck) string {
	if len(failed) > 1 {
		return fmt.Sprintf("%d validations do not hold: %s", len(failed), checkIDs(failed))
	}
	id := shorten(failed[0].ID, 60)
	switch failed[0].State {
	case stateMissing:
		return id + " has not run on this commit"
	case stateWrongSource:
		return id + " came from the wrong source"
	case stateForgedSource:
		return id + " is not from a real GitHub Actions job"
	case stateUnpinned:
		return id + " could be set by anybody: pin it to its App"
	case "skipped":
		return id + " was skipped and must run"
	case "neutral":
		return id + " ended neutral and must succeed"
	case "cancelled":
		return id + " was cancelled: run it again"
	case "timed_out":
		return id + " timed out: run it again"
	case "action_required":
		return id + " waits for somebody to allow its run"
	case stateStale:
		return id + " is too old: run it again"
	}
	return id + " failed"
}
