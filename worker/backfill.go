package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// backfillReads is how much is read of histories in one run, where a page and an update each
	// count for one: an update is two requests, or a few more for a merge queue's.
	backfillReads = 25
	// backfillPause is how long is waited before the next run. An installation has at least 5,000
	// requests an hour, and nothing waits for a history: this takes less than a third of them.
	backfillPause = 2 * time.Minute
	// renamedWithin is how far apart GitHub may list the two halves of a renaming.
	renamedWithin = time.Minute
)

// backfillJob is one run over the histories of an organisation's branches.
type backfillJob struct {
	*Worker
	log    zerolog.Logger
	client *gh.Client
	tenant store.Tenant
	job    store.Job
	left   int // of backfillReads
}

// backfill reads on in what reached branches before they were followed, one branch after the other
// and a little of each, until all of it is read. Whatever cannot be read now is tried again later.
func (w *Worker) backfill(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	j := &backfillJob{Worker: w, log: log, client: client, tenant: w.Store.Tenant(job.OrgID), job: job, left: backfillReads}
	for j.left > 0 {
		b, err := j.tenant.NextBackfill(ctx)
		if errors.Is(err, store.ErrNotFound) {
			return w.Store.Finish(ctx, job)
		}
		if err == nil {
			err = j.readOn(ctx, b)
		}
		if err != nil && job.Attempt >= branchAttempts && !errors.Is(err, gh.ErrRateLimited) && !errors.Is(err, store.ErrLeaseLost) && ctx.Err() == nil {
			log.Warn().Err(err).Str("branch", b.Ref).Msg("the history of a branch cannot be read now")
			return w.Store.FinishUntil(ctx, job, w.Now().Add(branchEvery))
		}
		if err != nil {
			return err
		}
	}
	return w.Store.FinishUntil(ctx, job, w.Now().Add(backfillPause))
}

// readOn reads the next page of a history, or what is left of it. If we stop anywhere, the page is
// read again, and what of it is on record is passed over.
func (j *backfillJob) readOn(ctx context.Context, b store.Backfill) error {
	j.left--
	repo, err := repositoryNow(ctx, j.client, b.Repository, b.RepoID)
	if unseen(err) {
		return j.end(ctx, b, blindCause(err))
	}
	if err != nil {
		return err
	}
	b.Repository = repo.FullName
	at := repoOf(repo.FullName)
	page, next, err := j.client.RefActivityPage(ctx, at, b.Ref, b.Page)
	switch {
	case b.Page != "" && (errors.Is(err, gh.ErrInvalid) || err == nil && len(page) == 0):
		// GitHub does not know the page any more, and may say so by an empty one, which is no end of
		// the list. From the beginning, then: what is on record is passed over.
		b.Page = ""
		_, err = j.tenant.RecordBackfilled(ctx, j.job, b, nil)
		return err
	case unseen(err):
		return j.end(ctx, b, blindCause(err))
	case err != nil:
		return err
	}
	return j.page(ctx, at, b, page, next)
}

// page records the updates of a page, newest first, and moves on to the next one.
func (j *backfillJob) page(ctx context.Context, at gh.Repo, b store.Backfill, page []gh.RefUpdate, next string) error {
	was := b.Page
	found, reached, err := j.walk(ctx, at, &b, page)
	if err == nil && reached == pageDone {
		b.Page = next
	}
	// What was read is kept, also before something that cannot be read now.
	b, failed := j.tenant.RecordBackfilled(ctx, j.job, b, found)
	switch {
	case err != nil || failed != nil:
		return errors.Join(err, failed)
	case reached == sinceDone:
		b.ReadFrom = b.Since
		return j.end(ctx, b, "")
	case reached == nameLost:
		return j.end(ctx, b, fmt.Sprintf("The branch was made at %s, and GitHub lists more deleted branches than are read, so whether it had another name before is not known.", policy.WhenUTC(b.ReadFrom)))
	case reached == pageDone && next == "":
		b.Page = was
		return j.bottom(ctx, at, b, page)
	}
	return nil
}

// How far a page was read.
type reach int

const (
	halfDone  reach = iota // the run has read enough
	pageDone               // to its end
	sinceDone              // to where the history was to be read from
	nameLost               // to where the branch was made, and may have had another name
)

// walk reads the updates of a page that are not on record.
func (j *backfillJob) walk(ctx context.Context, at gh.Repo, b *store.Backfill, page []gh.RefUpdate) (found []policy.UpdateFacts, r reach, err error) {
	for _, u := range page {
		if u.ID > b.UntilID {
			continue // it is judged
		}
		if u.At.Before(b.Since) {
			return found, sinceDone, nil
		}
		known, err := j.tenant.UpdateOnRecord(ctx, b.RepoID, u.ID)
		if err != nil {
			return found, halfDone, err
		}
		if !known {
			if j.left <= 0 {
				return found, halfDone, nil
			}
			j.left--
			f, err := j.update(ctx, at, *b, u)
			if err != nil {
				return found, halfDone, err
			}
			found = append(found, f)
		}
		b.ReadFrom = u.At
		if u.Type != policy.UpdateCreation {
			continue
		}
		err = j.nameBefore(ctx, at, b, u)
		if errors.Is(err, gh.ErrTruncated) {
			return found, nameLost, nil
		}
		if err != nil {
			return found, halfDone, err
		}
	}
	return found, pageDone, nil
}

// update is what an update brought, as far as GitHub says so long after it. Nothing is judged, so
// its files are left aside.
func (j *backfillJob) update(ctx context.Context, at gh.Repo, b store.Backfill, u gh.RefUpdate) (policy.UpdateFacts, error) {
	f, err := facts.ReadUpdate(ctx, j.client, at, b.Ref, u, nil)
	if errors.Is(err, facts.ErrBehind) || errors.Is(err, gh.ErrTruncated) {
		err = nil // it is on record with what GitHub shows
	}
	f.RepositoryID = b.RepoID
	f.Files = policy.List[policy.File]{Why: "nothing was decided that they could be compared with"}
	return f, err
}

// nameBefore notes the name that the branch had before it was made under this one, if GitHub shows
// it: it lists a renaming as the making of one branch and the deletion of another.
func (j *backfillJob) nameBefore(ctx context.Context, at gh.Repo, b *store.Backfill, made gh.RefUpdate) error {
	gone, err := j.client.DeletedBranches(ctx, at, made.Actor.Login, made.At.Add(-renamedWithin))
	for _, d := range gone {
		ref, _ := strings.CutPrefix(d.Ref, "refs/heads/")
		known := slices.ContainsFunc(b.Names, func(n store.BranchName) bool { return n.UntilID == d.ID })
		if !known && ref != b.Ref && d.Before == made.After && d.Actor.ID == made.Actor.ID && d.At.Sub(made.At).Abs() <= renamedWithin {
			b.Names = append(b.Names, store.BranchName{Ref: ref, Until: d.At, UntilID: d.ID})
		}
	}
	return err
}

// bottom ends a reading at the end of GitHub's list. It goes back as far as the branch does, or as
// far as GitHub keeps updates: as those of the repository's other branches show.
func (j *backfillJob) bottom(ctx context.Context, at gh.Repo, b store.Backfill, last []gh.RefUpdate) error {
	if len(last) > 0 && last[len(last)-1].Type == policy.UpdateCreation {
		b.ReadFrom = b.Since
		return j.end(ctx, b, "")
	}
	oldest, err := j.client.OldestUpdate(ctx, at)
	switch {
	case errors.Is(err, gh.ErrNotFound):
		return j.end(ctx, b, "GitHub lists no update of the repository.")
	case unseen(err):
		return j.end(ctx, b, blindCause(err))
	case err != nil:
		return err
	case !oldest.At.After(b.Since):
		b.ReadFrom = b.Since
		return j.end(ctx, b, "")
	}
	b.ReadFrom = oldest.At
	return j.end(ctx, b, fmt.Sprintf("GitHub keeps updates for a limited time, and lists none of the repository from before %s.", policy.WhenUTC(oldest.At)))
}

// end records how far a history was read, and why not further.
func (j *backfillJob) end(ctx context.Context, b store.Backfill, why string) error {
	b.Why = why
	err := j.tenant.EndBackfill(ctx, j.job, b)
	if err == nil {
		j.log.Info().Str("repository", b.Repository).Str("branch", b.Ref).Time("read_from", b.ReadFrom).Str("why", why).Int("updates", b.Updates).Msg("the history of a branch is read")
	}
	return err
}
