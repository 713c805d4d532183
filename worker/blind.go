package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// gap is the exception when an update does not begin where the one before it ended.
func (j *branchJob) gap(u gh.RefUpdate) *store.Exception {
	if j.branch.Tip == "" || u.Before == j.branch.Tip {
		return nil
	}
	e := j.exception(j.policy, store.ExceptionBlind, policy.SeverityHigh, j.subject(fmt.Sprint(u.ID)),
		fmt.Sprintf("%s was at %.12s and then moved from %.12s to %.12s. GitHub's activity does not list what happened in between, so nobody can say what was merged then.", j.job.Ref, j.branch.Tip, u.Before, u.After))
	e.SHA = u.Before
	return &e
}

// skip goes on from the newest update when there were more since the last look than can be read.
// The interval is the exception: it is not known whether the branch came back to where it was.
func (j *branchJob) skip(ctx context.Context, t toldPushes) ([]store.Exception, error) {
	newest, _, err := j.client.RefActivityPage(ctx, j.at, j.job.Ref, "")
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	last := newest[0]
	e := j.exception(j.policy, store.ExceptionBlind, policy.SeverityHigh, j.subject(fmt.Sprintf("skipped %d", last.ID)),
		fmt.Sprintf("Between update %d of %s, to %.12s, and update %d, to %.12s of %s, there were more updates than can be read, so none of them was compared with what was decided. Look through the repository's activity by hand. What came later is compared.",
			j.branch.ActivityID, j.job.Ref, j.branch.Tip, last.ID, last.After, policy.WhenUTC(last.At)))
	e.SHA = last.After
	j.branch.ActivityID, j.branch.Tip, j.branch.Seq = last.ID, last.After, max(j.branch.Seq, t.seq)
	return []store.Exception{e}, nil
}

// toldPushes is what deliveries told of pushes to the branch since it was last settled.
type toldPushes struct {
	pushes []store.Observation
	seq    int64 // the newest push to any branch that was looked at
}

func (j *branchJob) told(ctx context.Context) (t toldPushes, err error) {
	all, err := j.tenant.PushesAfter(ctx, j.job.RepoID, j.branch.Seq)
	if err != nil {
		return t, err
	}
	for _, o := range all {
		e, err := decode(o)
		if err != nil {
			return t, err
		}
		if e.Push != nil && e.Push.Ref == "refs/heads/"+j.job.Ref {
			t.pushes = append(t.pushes, o)
		}
		t.seq = o.Seq
	}
	return t, nil
}

// untold are exceptions for pushes that deliveries told of and that GitHub's activity does not
// list, after some patience. Until then it is ErrBehind. What came in before the branch was
// followed is left aside.
func (j *branchJob) untold(ctx context.Context, t toldPushes, updates []gh.RefUpdate) (open []store.Exception, err error) {
	var all []gh.RefUpdate
	for _, o := range t.pushes {
		if o.Seq <= j.branch.Seq {
			continue
		}
		e, err := decode(o)
		if err != nil {
			return nil, err
		}
		is := func(u gh.RefUpdate) bool { return u.Before == e.Push.Before && u.After == e.Push.After }
		if slices.ContainsFunc(updates, is) {
			continue
		}
		if all == nil { // a delivery may come long after what it tells of
			if all, _, err = j.client.RefActivity(ctx, j.at, j.job.Ref, 0); err != nil {
				return nil, err
			}
		}
		if slices.ContainsFunc(all, is) {
			continue
		}
		if j.Now().Sub(o.ReceivedAt) < branchPatience {
			return nil, fmt.Errorf("%w: GitHub does not list the push of %.12s yet", facts.ErrBehind, e.Push.After)
		}
		missing := j.exception(j.policy, store.ExceptionBlind, policy.SeverityHigh, j.subject(fmt.Sprintf("push %d", o.Seq)),
			fmt.Sprintf("GitHub told of a push to %s from %.12s to %.12s, and its activity does not list it, so it was not compared with what was decided.", j.job.Ref, e.Push.Before, e.Push.After))
		missing.CausedBy = e.Sender.ID
		open = append(open, missing)
	}
	j.branch.Seq = max(j.branch.Seq, t.seq)
	return open, nil
}

// blind notes that what reaches the branch cannot be seen, once, and looks again later.
func (j *branchJob) blind(ctx context.Context, cause error) error {
	j.log.Warn().Err(cause).Msg("what reaches the branch cannot be seen")
	var open []store.Exception
	if j.branch.BlindSince.IsZero() {
		j.branch.BlindSince = j.Now().UTC().Truncate(time.Microsecond)
		open = append(open, j.exception(j.policy, store.ExceptionBlind, policy.SeverityHigh, j.blindSubject(),
			fmt.Sprintf("From %s on GitHub does not show the App what reaches %s: %s", policy.WhenUTC(j.branch.BlindSince), j.job.Ref, blindCause(cause))))
	}
	return j.tenant.SettleBranch(ctx, j.job, j.branch, open, j.Now().Add(branchEvery))
}

// blindSubject is that of the exception about the time since which the branch cannot be seen.
func (j *branchJob) blindSubject() string {
	return j.subject(fmt.Sprintf("blind since %d", j.branch.BlindSince.UnixMicro()))
}

// subject is one of the branch.
func (j *branchJob) subject(what string) string {
	return fmt.Sprintf("%d/%s/%s", j.job.RepoID, j.job.Ref, what)
}

func blindCause(cause error) string {
	switch {
	case errors.Is(cause, gh.ErrForbidden):
		return "the App was suspended or uninstalled, or lacks the permission to read the repository's contents. An owner of the organisation sees which in its settings, under GitHub Apps."
	case errors.Is(cause, gh.ErrTruncated):
		return "there was more than can be read at once. Look through the repository's activity by hand."
	case errors.Is(cause, gh.ErrNotFound):
		return "the repository is not there, or the App is not installed on it any more."
	}
	return "what was asked for was not answered, however often it was tried. It is tried again every hour; the server's log says more."
}

// seeing notes that a branch that could not be seen was caught up with.
func (j *branchJob) seeing(ctx context.Context) error {
	if j.branch.BlindSince.IsZero() {
		return nil
	}
	open, err := j.tenant.Exceptions(ctx, store.ExceptionFilter{RepoID: j.job.RepoID, Kind: store.ExceptionBlind, Open: true})
	if err != nil {
		return err
	}
	for _, e := range open {
		if e.Subject != j.blindSubject() {
			continue
		}
		err := j.tenant.StepException(ctx, e.ID, func(e *store.Exception) bool {
			if e.State != store.ExceptionOpen {
				return false
			}
			e.State, e.Step, e.By = store.ExceptionRemediated, "remediated", stepByUs
			e.Remediation = fmt.Sprintf("The App can see the branch again since %s, and compared what GitHub's activity lists of the time in between; more than can be read is an exception of its own.", policy.WhenUTC(j.Now()))
			return true
		})
		if err != nil {
			return err
		}
	}
	// If we stop here, the branch counts as blind still, and there is nothing left to note.
	j.branch.BlindSince = time.Time{}
	return nil
}
