package worker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// firstDayAtOnce is how many pull requests are read at a time, each by some ten requests at once.
	firstDayAtOnce = 3
	// firstDayLook is how many repositories are looked through between two times that it is kept how
	// far a report is.
	firstDayLook = 20
	// requestsOfAMerge is about how many requests a merged pull request takes.
	requestsOfAMerge = 12
	// maxFirstDayWaits bounds how often one reading waits for GitHub's limits.
	maxFirstDayWaits = 5
)

// FirstDayAsk says what to look at.
type FirstDayAsk struct {
	Since time.Time
	// Draft is a policy file to try in place of each repository's own; nil: by the policies in force,
	// and by the one to begin with where there is none.
	Draft []byte
	// Looked is told how far it is, and Waits until when it waits for GitHub's limits.
	Looked func(done, total int)
	Waits  func(until time.Time)
}

// FirstDay reads from GitHub what was merged in an organisation since a time and was not decided on,
// and says what the policy would have held of it. It writes nothing, neither on GitHub nor in the log,
// and leaves GitHub's reserve to decisions: where that is reached it waits.
func (w *Worker) FirstDay(ctx context.Context, org store.OrgRow, ask FirstDayAsk) (*policy.FirstDay, error) {
	d := &firstDayReader{Worker: w, tenant: w.Store.Tenant(org.ID), draft: ask.Draft, words: true, reading: newFirstDayReading(org.Login, w.Now(), ask.Since)}
	waiting := &waiting{Worker: w, tell: ask.Waits}
	d.read, d.passes = waiting.patiently, func(error) bool { return false }
	if ask.Draft != nil {
		sum := sha256.Sum256(ask.Draft)
		d.reading.Report.PolicySHA256, d.reading.Report.Beginning = hex.EncodeToString(sum[:]), ""
	}
	var err error
	if d.installation, err = d.tenant.Installation(ctx); err == nil && d.installation == 0 {
		err = errors.New("nothing ever came from an installation of the App there")
	}
	if err != nil {
		return nil, err
	}
	for !d.reading.ended() {
		if err := d.step(ctx); err != nil {
			return nil, err
		}
		if d.reading.Stage == store.FirstDayStageJudge {
			ask.Looked(d.reading.progress())
		}
	}
	return d.reading.Report, nil
}

// firstDayReader reads on for a report.
type firstDayReader struct {
	*Worker
	tenant       store.Tenant
	installation int64
	draft        []byte
	words        bool // of people go into the report: it is printed, and kept nowhere
	reading      *firstDayReading
	// read makes what asks GitHub do so.
	read func(ctx context.Context, ask func() error) error
	// passes says whether what could not be read because of an error is tried again: it ends a step with
	// that then. Else it is not known, with the reason.
	passes func(err error) bool
	gaveUp bool // something is not known that may be known another time
	asked  int  // about how many requests were made by this reader
}

// step reads a little more. After an error it is as far as before, or a little further: the same step
// goes on.
func (d *firstDayReader) step(ctx context.Context) error {
	r := d.reading
	switch {
	case r.Stage == "":
		return d.begin(ctx)
	case r.Stage == store.FirstDayStageLook && len(r.ToLook) > 0:
		return d.look(ctx)
	case r.Stage == store.FirstDayStageLook:
		r.chooseNewest()
	case len(r.ToJudge) > 0:
		return d.judgeSome(ctx)
	case !r.RestChosen:
		r.chooseRest()
	default:
		r.end(d.Now())
	}
	return nil
}

// count notes about how many requests were made.
func (d *firstDayReader) count(requests int) {
	d.asked += requests
	d.reading.Asked += requests
}

// begin asks which repositories there are.
func (d *firstDayReader) begin(ctx context.Context) error {
	client, err := d.Installation(d.installation, gh.ToList())
	if err != nil {
		return err
	}
	at := d.Now()
	var list []gh.ListedRepository
	err = d.read(ctx, func() (err error) {
		list, _, err = client.Background().InstalledRepositories(ctx)
		return err
	})
	if errors.Is(err, gh.ErrTruncated) {
		d.reading.tooMany(at)
		return nil
	}
	if err == nil {
		d.count(1 + len(list)/100)
		d.reading.begin(at, list)
	}
	return err
}

// look looks through some repositories for what was merged.
func (d *firstDayReader) look(ctx context.Context) error {
	client, err := d.Installation(d.installation, gh.ToWatch())
	if err != nil {
		return err
	}
	for range min(firstDayLook, len(d.reading.ToLook)) {
		repo := d.reading.ToLook[0]
		var list []gh.ListedMerge
		err := d.read(ctx, func() (err error) {
			list, err = client.Background().MergedPulls(ctx, repoOf(repo.Name), repo.ID, d.reading.Report.Since)
			return err
		})
		d.count(1 + len(list)/50)
		why, err := d.unread(ctx, err)
		if err != nil {
			return err
		}
		open, decided, err := d.undecided(ctx, repo, list)
		if err != nil {
			return err
		}
		d.reading.looked(open, decided, why)
		if d.gaveUp {
			break
		}
	}
	return nil
}

// undecided are the pull requests that nobody decided on when they were open, and how many others
// there are.
func (d *firstDayReader) undecided(ctx context.Context, repo firstDayRepository, list []gh.ListedMerge) (open []merged, decided int, err error) {
	for _, l := range list {
		_, err := d.tenant.Current(ctx, repo.ID, l.Number)
		switch {
		case err == nil:
			decided++
		case errors.Is(err, store.ErrNotFound):
			m := merged{Repo: repo, Number: l.Number, HeadSHA: l.HeadSHA, BaseRef: l.BaseRef, MergedAt: l.MergedAt}
			if d.words {
				m.Title = l.Title
			}
			open = append(open, m)
		default:
			return nil, 0, err
		}
	}
	return open, decided, nil
}

// judgeSome judges a few at a time and adds them to the report, in order.
func (d *firstDayReader) judgeSome(ctx context.Context) error {
	some := d.reading.ToJudge[:min(len(d.reading.ToJudge), firstDayAtOnce)]
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
		why, err := d.unread(ctx, j.err)
		if err != nil {
			return err
		}
		if why != "" {
			j.Hindsight = policy.Hindsight{Answer: policy.HindsightUnknown, Cause: why}
		}
		d.count(requestsOfAMerge)
		d.reading.judged(j, d.App)
	}
	return nil
}

// judge reads one and judges it. What cannot be read is for judgeSome.
func (d *firstDayReader) judge(ctx context.Context, m merged) (judged, error) {
	out := judged{merged: m}
	client, err := d.Installation(d.installation, gh.ToRead(m.Repo.ID))
	if err != nil {
		return out, err
	}
	var c facts.Collected
	err = d.read(ctx, func() (err error) {
		c, err = facts.Collect(ctx, client.Background(), d.request(m))
		return err
	})
	var outside *facts.NotEnrolledError
	switch {
	case errors.As(err, &outside):
		out.outside = true
	case err != nil:
		out.err = err
	case c.Beginning:
		out.collected, out.Hindsight = &c, policy.InHindsightByBeginning(c.Policy, c.Catalogue, &c.Facts, m.MergedAt)
	default:
		out.collected, out.Hindsight = &c, policy.InHindsight(c.Policy, c.Catalogue, &c.Facts, m.MergedAt)
	}
	return out, nil
}

// request reads a pull request of which no delivery is known.
func (d *firstDayReader) request(m merged) facts.Request {
	return facts.Request{
		Repo: repoOf(m.Repo.Name), RepositoryID: m.Repo.ID, InstallationID: d.installation, Number: m.Number, App: d.App,
		Head: m.HeadSHA, Base: m.BaseRef, Now: d.Now(), Draft: d.draft, Beginning: policy.Beginning, Attested: d.tenant.AttestedBypass,
		PushesOf:   func(context.Context, string) ([]policy.Push, error) { return nil, nil },
		CommentsOn: func(context.Context, int) ([]facts.Comment, error) { return nil, nil },
		RecordedAt: func(context.Context, string, time.Time) (*policy.Facts, string, error) { return nil, "", nil },
	}
}

// unread says why something is not known that could not be read. An error ends the step: it may be
// known yet.
func (d *firstDayReader) unread(ctx context.Context, err error) (why string, _ error) {
	if err == nil {
		return "", nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	why, passes := firstDayCause(err)
	if !passes {
		return why, nil
	}
	if d.passes(err) {
		return "", err
	}
	d.gaveUp = true
	return why + " Make the report again later.", nil
}

// firstDayCause says for a person why something could not be read, and whether that may be otherwise in
// a while. It quotes nobody: it is kept.
func firstDayCause(err error) (why string, passes bool) {
	var broken *facts.PolicyError
	switch {
	case errors.As(err, &broken):
		return "The policy cannot be used: countersign policy check says what is wrong with it. Repair it, or try a draft with --policy.", false
	case errors.Is(err, gh.ErrTruncated):
		return "GitHub holds more of it than can be read.", false
	case errors.Is(err, gh.ErrRateLimited):
		return "GitHub's limits did not allow it.", true
	case errors.Is(err, facts.ErrBehind), errors.Is(err, gh.ErrNotFound):
		return "GitHub does not show it any more, or not its last commit: it may be deleted.", false
	case errors.Is(err, gh.ErrNoInstallation):
		return "The App is suspended or uninstalled.", true
	case errors.Is(err, gh.ErrForbidden):
		return "GitHub refuses it to the App. Accept the permissions that the App asks for, and look at countersign doctor.", false
	}
	return "GitHub could not be read.", true
}

// waiting waits for GitHub's limits where somebody waits for what is read.
type waiting struct {
	*Worker
	tell func(until time.Time)

	mu   sync.Mutex // guards told: several wait at a time, and for the same
	told time.Time
}

// patiently reads, and again when GitHub's limits allow more.
func (w *waiting) patiently(ctx context.Context, read func() error) error {
	for range maxFirstDayWaits {
		err := read()
		var limited *gh.RateLimitError
		if !errors.As(err, &limited) {
			return err
		}
		w.tellOnce(limited.Until)
		wait := time.NewTimer(max(limited.Until.Sub(w.Now()), time.Second))
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
	return read()
}

// tellOnce tells once until when is waited.
func (w *waiting) tellOnce(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until.After(w.told) {
		w.told = until
		w.tell(until)
	}
}
