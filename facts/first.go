package facts

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// firstReading is everything that can be asked for at once, given a head and a base.
type firstReading struct {
	answer     changeAnswer
	stackBase  string
	commitIDs  []gh.PullCommit
	commitsErr error // ErrTruncated: GitHub's list ends at 250
	files      []gh.File
	filesErr   error
	checkRuns  []gh.CheckRun
	checksErr  error
	statuses   []gh.CommitStatus
	statusErr  error
	runs       []gh.WorkflowRun
	runsErr    error
	rules      []gh.Rule
	policyFile gh.Content
	policyErr  error // ErrNotFound, or a file that is not one we can read
}

// readFirst asks for the pull request and for everything that hangs on its head and
// base, all in parallel: one round trip when the guess is right.
func readFirst(ctx context.Context, client *gh.Client, req Request, at aim) (*firstReading, error) {
	r := &firstReading{}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.readChange(ctx, client, req, at) })
	group.Go(func() (err error) {
		r.stackBase, err = client.PullRequestStack(ctx, req.Repo, req.Number)
		return err
	})
	group.Go(func() (err error) {
		r.commitIDs, err = client.PullRequestCommits(ctx, req.Repo, req.Number)
		return setAside(err, &r.commitsErr, gh.ErrTruncated)
	})
	group.Go(func() (err error) {
		r.files, err = client.PullRequestFiles(ctx, req.Repo, req.Number)
		return setAside(err, &r.filesErr, gh.ErrTruncated)
	})
	if at.head != "" {
		group.Go(func() error { return r.readCheckRuns(ctx, client, req.Repo, at.head) })
		group.Go(func() error { return r.readStatuses(ctx, client, req.Repo, at.head) })
		group.Go(func() error { return r.readRuns(ctx, client, req.Repo, at.head) })
	}
	if at.base != "" {
		group.Go(func() (err error) {
			r.rules, err = client.BranchRules(ctx, req.Repo, at.base)
			return err
		})
		group.Go(func() (err error) {
			r.policyFile, err = client.Content(ctx, req.Repo, policy.Path, "refs/heads/"+at.base)
			return setAside(err, &r.policyErr, gh.ErrNotFound, gh.ErrTruncated, gh.ErrInvalid)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return r, nil
}

// readCheckRuns reads the check runs on a commit.
func (r *firstReading) readCheckRuns(ctx context.Context, client *gh.Client, repo gh.Repo, sha string) (err error) {
	r.checkRuns, err = client.CheckRuns(ctx, repo, sha)
	return setAside(unknownHead(err), &r.checksErr, gh.ErrTruncated)
}

// readStatuses reads the commit statuses on a commit.
func (r *firstReading) readStatuses(ctx context.Context, client *gh.Client, repo gh.Repo, sha string) (err error) {
	r.statuses, err = client.Statuses(ctx, repo, sha)
	return setAside(unknownHead(err), &r.statusErr, gh.ErrTruncated)
}

// readRuns reads the workflow runs of a commit.
func (r *firstReading) readRuns(ctx context.Context, client *gh.Client, repo gh.Repo, sha string) (err error) {
	r.runs, err = client.WorkflowRuns(ctx, repo, sha)
	return setAside(unknownHead(err), &r.runsErr, gh.ErrTruncated)
}

// setAside keeps an error that is itself a fact ("longer than can be read", "there is
// no such file") and lets every other one end the reading.
func setAside(err error, kept *error, facts ...error) error {
	for _, fact := range facts {
		if errors.Is(err, fact) {
			*kept = err
			return nil
		}
	}
	return err
}

// unknownHead turns "no such commit" into ErrBehind: a delivery named the head, so it
// exists, and the server that answered has not heard of it yet.
func unknownHead(err error) error {
	if errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrInvalid) {
		return fmt.Errorf("%w: %w", ErrBehind, err)
	}
	return err
}

// readChange asks GraphQL for the pull request, and for the further pages of lists
// that do not fit into the first answer.
func (r *firstReading) readChange(ctx context.Context, client *gh.Client, req Request, at aim) error {
	vars := map[string]any{"owner": req.Repo.Owner, "name": req.Repo.Name, "number": req.Number, "base": "refs/heads/" + at.base}
	if err := client.GraphQL(ctx, changeQuery, vars, &r.answer, organisationField); err != nil {
		return fmt.Errorf("read pull request %s/%s#%d: %w", req.Repo.Owner, req.Repo.Name, req.Number, err)
	}
	repo := r.answer.Repository
	if repo == nil || repo.PullRequest == nil {
		return fmt.Errorf("read pull request %s/%s#%d: %w", req.Repo.Owner, req.Repo.Name, req.Number, gh.ErrNotFound)
	}
	if req.RepositoryID != 0 && repo.DatabaseID != req.RepositoryID {
		return fmt.Errorf("read pull request %s/%s#%d: the name now belongs to repository %d: %w", req.Repo.Owner, req.Repo.Name, req.Number, repo.DatabaseID, gh.ErrNotFound)
	}
	return r.readPages(ctx, client, req)
}

// aim is where the pull request really is.
func (r *firstReading) aim() aim {
	pr := r.answer.Repository.PullRequest
	if r.stackBase != "" {
		return aim{head: pr.HeadRefOid, base: r.stackBase}
	}
	return aim{head: pr.HeadRefOid, base: pr.BaseRefName}
}
