package worker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// maxFirstDayChanges is how many merged pull requests are read, some dozen requests each: what
	// may wait has four fifths of an hour's 5,000 at least.
	maxFirstDayChanges = 300
	// firstDayAtOnce is how many are read at a time, each by some ten requests at once.
	firstDayAtOnce = 3
	// maxFirstDayWaits bounds how often one reading waits for GitHub's limits.
	maxFirstDayWaits = 5
)

// FirstDayAsk says what to look at.
type FirstDayAsk struct {
	Since time.Time
	// Draft is a policy file to try in place of each repository's own; nil: by the policies in force.
	Draft []byte
	// Looked is told how far it is, and Waits until when it waits for GitHub's limits.
	Looked func(done, total int)
	Waits  func(until time.Time)
}

// firstDay is one look at what was merged.
type firstDay struct {
	*Worker
	ask          FirstDayAsk
	tenant       store.Tenant
	installation int64
	report       *policy.FirstDay
	done, total  int

	mu   sync.Mutex // guards told: several wait at a time, and for the same
	told time.Time
}

// merged is a pull request that was merged, in its repository.
type merged struct {
	repo gh.ListedRepository
	gh.ListedMerge
}

// branchOf is what the policy enrols or does not.
func (m merged) branchOf() string { return fmt.Sprint(m.repo.ID, " ", m.BaseRef) }

// judged is what came of one.
type judged struct {
	merged
	policy.Hindsight
	collected *facts.Collected // nil: it could not be read
	outside   bool             // its branch is not enrolled
}

// FirstDay reads from GitHub what was merged in an organisation since a time and was not decided on,
// and says what the policy would have held of it. It writes nothing, neither on GitHub nor in the log,
// and leaves GitHub's reserve to decisions: where that is reached it waits.
func (w *Worker) FirstDay(ctx context.Context, org store.OrgRow, ask FirstDayAsk) (*policy.FirstDay, error) {
	d := &firstDay{Worker: w, ask: ask, tenant: w.Store.Tenant(org.ID), report: policy.NewFirstDay(org.Login, w.Now(), ask.Since)}
	if ask.Draft != nil {
		sum := sha256.Sum256(ask.Draft)
		d.report.PolicySHA256 = hex.EncodeToString(sum[:])
	}
	var err error
	if d.installation, err = d.tenant.Installation(ctx); err == nil && d.installation == 0 {
		err = errors.New("nothing ever came from an installation of the App there")
	}
	if err != nil {
		return nil, err
	}
	list, err := d.list(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.judgeAll(ctx, list); err != nil {
		return nil, err
	}
	d.report.Finish()
	return d.report, nil
}

// list are the pull requests that were merged and not decided on, the newest first.
func (d *firstDay) list(ctx context.Context) (list []merged, err error) {
	client, err := d.Installation(d.installation, gh.ToList())
	if err != nil {
		return nil, err
	}
	var repositories []gh.ListedRepository
	if err := d.patiently(ctx, func() (err error) {
		repositories, _, err = client.Background().InstalledRepositories(ctx)
		return err
	}); err != nil {
		return nil, err
	}
	for _, repo := range repositories {
		if repo.Archived {
			continue
		}
		of, err := d.mergedIn(ctx, repo)
		if err != nil {
			return nil, err
		}
		list = append(list, of...)
	}
	slices.SortFunc(list, func(a, b merged) int {
		return cmp.Or(b.MergedAt.Compare(a.MergedAt), cmp.Compare(a.repo.ID, b.repo.ID), b.Number-a.Number)
	})
	return list, nil
}

// mergedIn are those of one repository. That they are not all is in the report.
func (d *firstDay) mergedIn(ctx context.Context, repo gh.ListedRepository) (out []merged, err error) {
	client, err := d.Installation(d.installation, gh.ToRead(repo.ID))
	if err != nil {
		return nil, err
	}
	var list []gh.ListedMerge
	err = d.patiently(ctx, func() (err error) {
		list, err = client.Background().MergedPulls(ctx, repoOf(repo.FullName), repo.ID, d.ask.Since)
		return err
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		d.report.Unread = append(d.report.Unread, policy.FirstDayUnread{Repository: repo.FullName, Why: firstDayCause(err)})
	}
	for _, m := range list {
		_, err := d.tenant.Current(ctx, repo.ID, m.Number)
		switch {
		case err == nil:
			d.report.Decided++
		case errors.Is(err, store.ErrNotFound):
			out = append(out, merged{repo, m})
		default:
			return nil, err
		}
	}
	return out, nil
}

// judgeAll judges the newest of each branch first, since that tells whether the branch is enrolled, and
// then of the rest as many as are read at all.
func (d *firstDay) judgeAll(ctx context.Context, list []merged) error {
	var first, rest []merged
	seen := map[string]bool{}
	for _, m := range list {
		if seen[m.branchOf()] || len(first) == maxFirstDayChanges {
			rest = append(rest, m)
			continue
		}
		seen[m.branchOf()] = true
		first = append(first, m)
	}
	d.total = len(first)
	outside := map[string]bool{}
	if err := d.judgeSome(ctx, first, outside); err != nil {
		return err
	}
	left := maxFirstDayChanges - len(first)
	var more []merged
	for _, m := range rest {
		switch {
		case outside[m.branchOf()]:
			d.report.NotEnrolled++
		case len(more) == left:
			d.report.Left++
		default:
			more = append(more, m)
		}
	}
	d.total += len(more)
	return d.judgeSome(ctx, more, outside)
}

// judgeSome judges a few at a time and adds them to the report, in order. Branches that are not
// enrolled are noted.
func (d *firstDay) judgeSome(ctx context.Context, list []merged, outside map[string]bool) error {
	for len(list) > 0 {
		var some []merged
		n := min(len(list), firstDayAtOnce)
		some, list = list[:n], list[n:]
		of := make([]judged, len(some))
		group, inGroup := errgroup.WithContext(ctx)
		for i, m := range some {
			group.Go(func() (err error) {
				of[i], err = d.judge(inGroup, m)
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		for _, j := range of {
			if j.outside {
				d.report.NotEnrolled++
				outside[j.branchOf()] = true
				continue
			}
			d.add(j)
		}
		d.done += len(some)
		d.ask.Looked(d.done, d.total)
	}
	return nil
}

// judge reads one and judges it. What cannot be read is not known; an error is the end of all.
func (d *firstDay) judge(ctx context.Context, m merged) (judged, error) {
	out := judged{merged: m, Hindsight: policy.Hindsight{Answer: policy.HindsightUnknown}}
	client, err := d.Installation(d.installation, gh.ToRead(m.repo.ID))
	if err != nil {
		return out, err
	}
	var c facts.Collected
	err = d.patiently(ctx, func() (err error) {
		c, err = facts.Collect(ctx, client.Background(), d.request(m))
		return err
	})
	var outside *facts.NotEnrolledError
	switch {
	case ctx.Err() != nil:
		return out, ctx.Err()
	case errors.As(err, &outside):
		out.outside = true
	case err != nil:
		out.Cause = firstDayCause(err)
	default:
		out.collected, out.Hindsight = &c, policy.InHindsight(c.Policy, c.Catalogue, &c.Facts, m.MergedAt)
	}
	return out, nil
}

// request reads a pull request of which no delivery is known.
func (d *firstDay) request(m merged) facts.Request {
	return facts.Request{
		Repo: repoOf(m.repo.FullName), RepositoryID: m.repo.ID, InstallationID: d.installation, Number: m.Number, App: d.App,
		Head: m.HeadSHA, Base: m.BaseRef, Now: d.Now(), Draft: d.ask.Draft, Attested: d.tenant.AttestedBypass,
		PushesOf:   func(context.Context, string) ([]policy.Push, error) { return nil, nil },
		CommentsOn: func(context.Context, int) ([]facts.Comment, error) { return nil, nil },
		RecordedAt: func(context.Context, string, time.Time) (*policy.Facts, string, error) { return nil, "", nil },
	}
}

// add puts one into the report, with how its branch is protected today.
func (d *firstDay) add(j judged) {
	branch := d.report.Branch(j.repo.FullName, j.BaseRef)
	if c := j.collected; c != nil && branch.Protected == policy.Unknown && branch.Unprotected == "" {
		branch.Protected, branch.Unprotected = policy.Protected(c.Policy, d.App, c.Facts.Protection, c.Facts.CollectedAt)
	}
	d.report.Add(policy.FirstDayChange{Repository: j.repo.FullName, Ref: j.BaseRef, Number: j.Number, Title: j.Title, MergedAt: j.MergedAt}, j.Hindsight)
}

// patiently reads, and again when GitHub's limits allow more.
func (d *firstDay) patiently(ctx context.Context, read func() error) error {
	for range maxFirstDayWaits {
		err := read()
		var limited *gh.RateLimitError
		if !errors.As(err, &limited) {
			return err
		}
		d.tellWait(limited.Until)
		wait := time.NewTimer(max(limited.Until.Sub(d.Now()), time.Second))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
	return read()
}

// tellWait tells once until when is waited.
func (d *firstDay) tellWait(until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until.After(d.told) {
		d.told = until
		d.ask.Waits(until)
	}
}

// firstDayCause says for a person why something could not be read.
func firstDayCause(err error) string {
	var broken *facts.PolicyError
	switch {
	case errors.As(err, &broken):
		return "The policy cannot be used: " + strings.TrimSuffix(broken.Err.Error(), ".") + ". Repair it, or try a draft with --policy."
	case errors.Is(err, gh.ErrTruncated):
		return "GitHub holds more of it than can be read."
	case errors.Is(err, gh.ErrRateLimited):
		return "GitHub's limits did not allow it. Make the report again later."
	case errors.Is(err, facts.ErrBehind), errors.Is(err, gh.ErrNotFound):
		return "GitHub does not show it any more, or not its last commit: it may be deleted."
	case errors.Is(err, gh.ErrForbidden):
		return "GitHub refuses it to the App. Accept the permissions that the App asks for, and look at countersign doctor."
	}
	return "GitHub could not be read. Make the report again later."
}
