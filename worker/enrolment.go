package worker

import (
	"context"

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

// forget ends following a branch that is not enrolled any more.
func (j *branchJob) forget(ctx context.Context) error {
	j.enrolment.State, j.enrolment.Reason = store.EnrolmentEnded, "There is no policy any more that names the branch."
	return j.tenant.ForgetBranch(ctx, j.job, j.branch, j.enrolment)
}
