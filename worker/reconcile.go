package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

const (
	// reconcileEvery is how often a repository is compared with GitHub.
	reconcileEvery = 6 * time.Hour
	// reconcileAtOnce is how many are in one run, and reconcilePause what is waited before the next one:
	// 600 in an hour, each mostly one point of the 5,000 at least that an installation has.
	reconcileAtOnce = 10
	reconcilePause  = time.Minute
	// reconcilePatience is how long an event may take that tells of what is seen, and after which the
	// rest is looked at that was too much for one look.
	reconcilePatience = 10 * time.Minute
	// reconcileAfter is for how long nothing was heard of GitHub's deliveries when everything is
	// compared at once, and not in its turn.
	reconcileAfter = 2 * time.Hour
)

// reconcile compares the repositories of an organisation that are due with GitHub, a few at a time.
func (w *Worker) reconcile(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	r := &reconciler{Worker: w, client: client, tenant: tenant, installation: job.InstallationID}
	for range reconcileAtOnce {
		next, err := tenant.NextReconcile(ctx)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return w.Store.Finish(ctx, job)
		case err != nil:
			return err
		case next.DueAt.After(w.Now()):
			return w.Store.FinishUntil(ctx, job, next.DueAt)
		}
		look, err := r.look(ctx, next)
		if err == nil {
			look.log(log)
			continue
		}
		tired := job.Attempt >= branchAttempts && !errors.Is(err, gh.ErrRateLimited) && ctx.Err() == nil
		if !unseen(err) && !tired {
			return err
		}
		log.Warn().Err(err).Str("compared", next.Repository).Msg("a repository could not be compared with GitHub; that is tried again in some hours")
		if err := tenant.ReconcileLater(ctx, next.RepoID, w.Now().Add(reconcileEvery)); err != nil {
			return err
		}
	}
	return w.Store.FinishUntil(ctx, job, w.Now().Add(reconcilePause))
}

// seeRepositories has the repositories compared that there are, from now on.
func (w *Worker) seeRepositories(ctx context.Context, tenant store.Tenant, job store.Job, s store.Scope) error {
	if !s.Complete {
		return nil // nothing is known of them, and those of before stay
	}
	names := map[int64]string{}
	for _, r := range s.Repositories {
		if r.State == store.ScopeInstalled && !r.Archived {
			names[r.ID] = r.Repository
		}
	}
	return tenant.SeeRepositories(ctx, job.InstallationID, s.Organisation, names, w.Now().Add(reconcilePatience))
}

// reconcileAfterOutage has everything compared when GitHub's deliveries were not read for long: what
// GitHub does not list any more, or never sent, nobody asks for again. What it lists comes first.
func (w *Worker) reconcileAfterOutage(ctx context.Context, last, began time.Time, lost int) error {
	if began.Sub(last) < reconcileAfter {
		return nil
	}
	return w.Store.ReconcileAll(ctx, began.Add(time.Duration(lost)*w.AskPause+doneSoon))
}

// doneSoon is how long what came again may take to be looked at.
const doneSoon = time.Minute

// ErrPartly says that some repositories could not be compared.
var ErrPartly = errors.New("not everything could be compared with GitHub")

// Reconcile compares the repositories of an organisation with GitHub at once, or only one of them, by
// its name, for somebody. Each is told what came of each, and how many there are. ErrNotFound if
// the App does not see that one, and ErrPartly if some could not be compared.
func (w *Worker) Reconcile(ctx context.Context, org int64, only string, by store.Who, each func(done, total int, l Look, err error)) error {
	tenant := w.Store.Tenant(org)
	installation, err := tenant.Installation(ctx)
	if err == nil && installation == 0 {
		err = errors.New("nothing ever came from an installation of the App there")
	}
	if err != nil {
		return err
	}
	client, err := w.Installation(installation, gh.ToCompare())
	if err != nil {
		return err
	}
	list, err := reconcilables(ctx, client, only)
	if err != nil {
		return err
	}
	r := &reconciler{Worker: w, client: client, tenant: tenant, installation: installation, by: by}
	failed := 0
	for i, repo := range list {
		look, err := r.look(ctx, repo)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		each(i+1, len(list), look, err)
		var limited *gh.RateLimitError
		if errors.As(err, &limited) { // so would be the others
			return fmt.Errorf("%w: %d repositories are left. %w", ErrPartly, len(list)-i, err)
		}
		if err != nil {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d of %d repositories", ErrPartly, failed, len(list))
	}
	return nil
}

// reconcilables are the repositories that the App is installed on.
func reconcilables(ctx context.Context, client *gh.Client, only string) (list []store.Reconcilable, err error) {
	installed, _, err := client.InstalledRepositories(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range installed {
		if !r.Archived && (only == "" || strings.EqualFold(r.FullName, only)) {
			list = append(list, store.Reconcilable{RepoID: r.ID, Repository: r.FullName})
		}
	}
	if only != "" && len(list) == 0 {
		return nil, fmt.Errorf("the App sees no repository %s that is not archived: %w", only, store.ErrNotFound)
	}
	return list, nil
}

// reconciler compares repositories of one organisation with GitHub. It marks what to look at, and
// decides nothing.
type reconciler struct {
	*Worker
	client       *gh.Client
	tenant       store.Tenant
	installation int64
	by           store.Who
	// above is the organisation's policy, once it is read.
	above *facts.OrganisationPolicy
}

// Look is what one look at a repository found.
type Look struct {
	Repository string
	OpenPulls  int
	Complete   bool
	// Enrolled is false when no policy is about the repository, and so nothing was compared.
	Enrolled bool
	Followed int           // branches, which are looked at again
	Young    int           // pull requests that changed a moment ago, whose events may be on their way
	More     bool          // there was more to mark than one look does
	Found    []store.Found // that was missing
}

func (l Look) log(log zerolog.Logger) {
	event := log.Debug()
	if len(l.Found) > 0 {
		event = log.Warn()
	}
	event.Str("compared", l.Repository).Int("open_pull_requests", l.OpenPulls).Int("missing", len(l.Found)).Interface("found", l.Found[:min(len(l.Found), 20)]).Msg("compared with GitHub")
}
