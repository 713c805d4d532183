package worker

import (
	"context"
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// lastPolicy is what was kept of the last policy that could be used for a branch; nil: none was.
func lastPolicy(ctx context.Context, tenant store.Tenant, job store.Job, governingRef string) ([]byte, error) {
	kept, err := tenant.LastPolicy(ctx, job.RepoID, governingRef)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return kept, err
}

// goneError: the organisation had a policy that enforced, and GitHub shows none any more.
type goneError struct {
	decision policy.Decision
	open     bool // the pull request is
}

func (e *goneError) Error() string { return e.decision.Cause }

// organisationGone is a *goneError when an organisation's policy that enforced is not there any
// more. Its floor is sticky like enrolment, whoever took it away and however: a change that it
// would have held must not pass. GitHub answers the same for a repository that is gone and for
// one that the App may no longer see.
func organisationGone(ctx context.Context, tenant store.Tenant, job store.Job, c facts.Collected) error {
	enforced, recordID, err := tenant.OrganisationEnforced(ctx)
	if err != nil || !enforced {
		return err
	}
	f := &c.Facts
	e, _ := c.Policy.Lane(f.Change.GoverningRef)
	where := repoOf(job.Repository).Owner + "/" + policy.OrganisationRepository
	cause := fmt.Sprintf("The organisation's policy, %s in %s, is gone, or the App may not see that repository any more; decision %s was still judged by it. "+
		"An owner of the organisation must put it back, or install the App on %s. To give it up, set mode: audit in it first, in every lane, and remove it once a pull request was judged by that.",
		policy.Path, where, recordID, where)
	d := policy.Undecided(policy.Subject{
		RepositoryID: job.RepoID, Repository: job.Repository, Number: job.Number, HeadSHA: f.Change.HeadSHA, BaseRef: f.Change.BaseRef,
		GoverningRef: f.Change.GoverningRef, Mode: e.Mode, Lane: e.Lane, CheckName: e.CheckName,
	}, cause, true)
	d.Title = "Could not decide: the organisation's policy is gone"
	return &goneError{decision: d, open: f.Change.State == "open"}
}

func (w *Worker) recordGone(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, gone *goneError) error {
	rec, err := newRecord(job, gone.decision)
	if err != nil {
		return err
	}
	return w.commit(ctx, log, tenant, rec, gone.decision)
}

// groupWithoutOrganisation is recordGone for a merge group.
func (w *Worker) groupWithoutOrganisation(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, gone *goneError) error {
	d := gone.decision
	d.Number, d.HeadSHA, d.BaseRef, d.GoverningRef = 0, job.HeadSHA, job.Ref, job.Ref
	rec, err := groupRecord(job, d)
	if err != nil {
		return err
	}
	return w.commit(ctx, log, tenant, rec, d)
}
