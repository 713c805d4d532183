package worker

import (
	"context"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// enrol records that following the branch begins, or that its mode or its repository's name is
// another than before. If we stop after that, the branch is followed from where it begins.
func (j *branchJob) enrol(ctx context.Context, followed bool, was store.Branch) error {
	switch {
	case !followed:
		j.enrolment.State = store.EnrolmentBegun
	case was.Mode != j.branch.Mode || was.Repository != j.branch.Repository:
		j.enrolment.State = store.EnrolmentChanged
	default:
		return nil
	}
	return j.tenant.Enrol(ctx, j.job, j.branch, j.enrolment)
}

// whileEnrolled are the updates up to the one that ended the enrolment, of those since the last
// look. All of them, when none says what ended it: that was the organisation's policy, then.
func (j *branchJob) whileEnrolled(ctx context.Context, updates []gh.RefUpdate) ([]gh.RefUpdate, error) {
	for i, u := range updates {
		enrolled, _, err := j.enrolledBefore(ctx, u)
		if err != nil {
			return nil, err
		}
		if !enrolled && i > 0 {
			return updates[:i], nil
		}
		if !enrolled {
			break
		}
	}
	return updates, nil
}

// forget ends following a branch that is not enrolled any more.
func (j *branchJob) forget(ctx context.Context, open []store.Exception) error {
	j.enrolment.State, j.enrolment.Reason = store.EnrolmentEnded, "There is no policy any more that names the branch."
	return j.tenant.ForgetBranch(ctx, j.job, j.branch, j.enrolment, open)
}
