package worker

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

const (
	// scopeEvery is how often it is recorded what repositories there are, whether that changed or
	// not; scopeAtMost how often it is at most.
	scopeEvery  = 24 * time.Hour
	scopeAtMost = 10 * time.Minute
)

// scope records which repositories the organisation has, as far as the App sees, and which
// branches of them are followed. What cannot be read is recorded as that, and looked at again.
func (w *Worker) scope(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	tenant := w.Store.Tenant(job.OrgID)
	last, err := tenant.LastScope(ctx)
	if err != nil {
		return err
	}
	if early := last.Add(scopeAtMost); w.Now().Before(early) {
		return w.Store.FinishUntil(ctx, job, early)
	}
	s, err := readScope(ctx, client, tenant, job)
	again := scopeEvery
	if unseen(err) || err != nil && job.Attempt >= branchAttempts && !errors.Is(err, gh.ErrRateLimited) && ctx.Err() == nil {
		log.Warn().Err(err).Msg("the organisation's repositories cannot be seen")
		s, err, again = store.Scope{Organisation: ownerOf(job.Repository), Why: scopeCause(err), PrivateRepositories: -1}, nil, branchEvery
	}
	if err != nil {
		return err
	}
	// If we stop in between, the scope is read again, and the repositories are those that were seen.
	if err := w.seeRepositories(ctx, tenant, job, s); err != nil {
		return err
	}
	return tenant.RecordScope(ctx, job, s, w.Now().Add(again))
}

func readScope(ctx context.Context, client *gh.Client, tenant store.Tenant, job store.Job) (s store.Scope, err error) {
	s = store.Scope{Organisation: ownerOf(job.Repository), Complete: true}
	installed, selection, err := client.InstalledRepositories(ctx)
	if err != nil {
		return s, err
	}
	s.Selection = selection
	if len(installed) > 0 { // the organisation may have another name by now
		s.Organisation = ownerOf(installed[0].FullName)
	}
	if s.PrivateRepositories, err = client.PrivateRepositories(ctx, s.Organisation); err != nil {
		return s, err
	}
	all, err := client.OrganisationRepositories(ctx, s.Organisation)
	if err != nil {
		return s, err
	}
	followed, err := tenant.Branches(ctx, 0)
	if err != nil {
		return s, err
	}
	s.Repositories = scopeOf(installed, all, followed)
	return s, nil
}

// scopeOf puts together which repositories there are, by id.
func scopeOf(installed, all []gh.ListedRepository, followed []store.Branch) []store.ScopeRepository {
	byID := map[int64]*store.ScopeRepository{}
	see := func(r gh.ListedRepository, state string) {
		byID[r.ID] = &store.ScopeRepository{ID: r.ID, Repository: r.FullName, State: state, Private: r.Private, Archived: r.Archived, Branches: []store.ScopeBranch{}}
	}
	for _, r := range all {
		see(r, store.ScopeNotInstalled)
	}
	for _, r := range installed {
		see(r, store.ScopeInstalled)
	}
	for _, b := range followed {
		if byID[b.RepoID] == nil {
			see(gh.ListedRepository{ID: b.RepoID, FullName: b.Repository}, store.ScopeNotVisible)
		}
		r := byID[b.RepoID]
		r.Branches = append(r.Branches, store.ScopeBranch{Ref: b.Ref, Mode: b.Mode})
	}
	out := make([]store.ScopeRepository, 0, len(byID))
	for _, r := range byID {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b store.ScopeRepository) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

func ownerOf(repository string) string {
	owner, _, _ := strings.Cut(repository, "/")
	return owner
}

func scopeCause(cause error) string {
	switch {
	case errors.Is(cause, gh.ErrForbidden), errors.Is(cause, gh.ErrNotFound):
		return "GitHub does not show the App the organisation's repositories: it was suspended or uninstalled, or a permission was taken away."
	case errors.Is(cause, gh.ErrTruncated):
		return "The organisation has more repositories than are read."
	}
	return "What repositories the organisation has was asked for and not answered, however often it was tried."
}
