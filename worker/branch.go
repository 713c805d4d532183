package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

const (
	// branchEvery is how often a branch is looked at that nothing is heard of: no delivery may
	// have told of an update.
	branchEvery = time.Hour
	// branchPatience is how long GitHub may take to list what it told us of.
	branchPatience = 10 * time.Minute
	// deliveryPatience is how long a delivery may take that tells of an update which GitHub lists
	// already. What no delivery told of until then counts as heard at that moment.
	deliveryPatience = time.Minute
	// maxLookedBack is how many updates are judged that came before a branch was first looked at.
	maxLookedBack = 50
	// maxTips is how many enrolled branches a new one is compared with.
	maxTips = 30
	// branchAttempts is after how many failed looks in a row, about twenty minutes, a branch counts
	// as one that cannot be seen. The job itself is never given up.
	branchAttempts = 10
	// noCommit is how GitHub writes that there is no commit: where a branch is made or deleted.
	noCommit = "0000000000000000000000000000000000000000"
)

// branchJob is one look at one branch.
type branchJob struct {
	*Worker
	log    zerolog.Logger
	client *gh.Client
	tenant store.Tenant
	job    store.Job
	repo   gh.RepositoryNow
	at     gh.Repo
	above  facts.OrganisationPolicy
	policy *policy.Policy // that holds now; nil: none that can be used
	branch store.Branch
	// enrolment says why the branch is enrolled, or not any more.
	enrolment store.Enrolment
	behind    map[int][]int64 // by pull request, the accounts behind it as decisions say
}

// branch compares everything that reached a branch since it was last looked at with what was
// decided about it. What a delivery told of and what GitHub's activity alone tells of are judged
// alike.
func (w *Worker) branch(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	j := &branchJob{Worker: w, log: log.With().Str("branch", job.Ref).Logger(), client: client, tenant: w.Store.Tenant(job.OrgID), job: job, behind: map[int][]int64{}}
	err := j.look(ctx)
	switch {
	case err == nil || errors.Is(err, gh.ErrRateLimited) || errors.Is(err, store.ErrLeaseLost) || ctx.Err() != nil:
		return err
	case errors.Is(err, facts.ErrBehind):
		age := waited(w.Now(), job)
		return w.Store.Postpone(ctx, job, w.Now().Add(min(max(age/2, 200*time.Millisecond), time.Minute)), err.Error())
	case job.Attempt >= branchAttempts:
		return j.lookLater(ctx, err)
	}
	return err
}

// lookLater ends a look that failed again and again. Were the job given up, nobody would look at
// the branch any more.
func (j *branchJob) lookLater(ctx context.Context, cause error) (err error) {
	// As it was last saved: what this look noted and did not save is found again.
	j.branch, err = j.tenant.Branch(ctx, j.job.RepoID, j.job.Ref)
	switch {
	case errors.Is(err, store.ErrNotFound) && errors.Is(cause, gh.ErrNotFound):
		return j.Store.Finish(ctx, j.job) // the repository is gone, and nothing of it was followed
	case errors.Is(err, store.ErrNotFound):
		return j.Store.FinishUntil(ctx, j.job, j.Now().Add(branchEvery))
	case err != nil:
		return err
	}
	return j.blind(ctx, cause)
}

func (j *branchJob) look(ctx context.Context) error {
	followed := true
	var err error
	j.branch, err = j.tenant.Branch(ctx, j.job.RepoID, j.job.Ref)
	if errors.Is(err, store.ErrNotFound) {
		followed, err = false, nil
		j.branch = store.Branch{RepoID: j.job.RepoID, Ref: j.job.Ref, Since: j.Now().UTC()}
	}
	if err != nil {
		return err
	}
	was := j.branch
	updates, told, open, err := j.read(ctx, followed)
	ended := followed && errors.Is(err, errNotFollowed)
	switch {
	case ended:
		updates, err = j.whileEnrolled(ctx, updates)
	case errors.Is(err, errNotFollowed):
		return j.Store.Finish(ctx, j.job)
	case unseen(err) && followed:
		return j.blind(ctx, err)
	case err == nil:
		err = j.enrol(ctx, followed, was)
	}
	if err != nil {
		return err
	}
	ready, again, err := j.ready(ctx, updates)
	if err != nil {
		return err
	}
	for _, u := range ready {
		if gap := j.gap(u); gap != nil {
			open = append(open, *gap)
		}
		if err := j.judge(ctx, u, open); err != nil {
			return err
		}
		open = nil
	}
	late, err := j.untold(ctx, told, updates)
	if err != nil {
		return err
	}
	if len(ready) == len(updates) {
		err = j.seeing(ctx)
	}
	if err != nil {
		return err
	}
	if ended && len(ready) == len(updates) {
		return j.forget(ctx, append(open, late...))
	}
	if err := j.protect(ctx); err != nil {
		return err
	}
	return j.tenant.SettleBranch(ctx, j.job, j.branch, append(open, late...), again)
}

// ready are the updates before the first one that a delivery may tell of yet, and when to look
// again. The delivery has the branch looked at before that.
func (j *branchJob) ready(ctx context.Context, updates []gh.RefUpdate) ([]gh.RefUpdate, time.Time, error) {
	for i, u := range updates {
		until := u.At.Add(deliveryPatience)
		if !j.Now().Before(until) {
			continue
		}
		heard, err := j.heard(ctx, u)
		if err != nil {
			return nil, time.Time{}, err
		}
		if heard.seq == 0 {
			return updates[:i], until, nil
		}
	}
	return updates, j.Now().Add(branchEvery), nil
}

// errNotFollowed: the branch is not enrolled.
var errNotFollowed = errors.New("the branch is not enrolled")

// unseen says whether an error means that what reached the branch cannot be seen, which trying
// again does not help against.
func unseen(err error) bool {
	return errors.Is(err, gh.ErrForbidden) || errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrTruncated)
}

// read are the updates to judge, oldest first, what deliveries told of, and the exception when
// there are too many to judge. With errNotFollowed, they are all since the last look at a branch
// that was followed until then.
func (j *branchJob) read(ctx context.Context, followed bool) (updates []gh.RefUpdate, t toldPushes, open []store.Exception, err error) {
	if err := j.place(ctx); err != nil {
		return nil, t, nil, err
	}
	enrolled := j.enrolled(ctx, followed)
	if enrolled != nil && !(followed && errors.Is(enrolled, errNotFollowed)) {
		return nil, t, nil, enrolled
	}
	// Read before the activity, which must show all of them then.
	if t, err = j.told(ctx); err != nil {
		return nil, t, nil, err
	}
	updates, found, err := j.client.RefActivity(ctx, j.at, j.job.Ref, j.branch.ActivityID)
	switch {
	case errors.Is(err, gh.ErrTruncated):
		if open, err = j.skip(ctx, t); err == nil {
			err = enrolled
		}
		return nil, t, open, err
	case err != nil:
		return nil, t, nil, err
	case !followed:
		if updates, err = j.first(ctx, updates); err != nil {
			return nil, t, nil, err
		}
	case !found:
		updates = slices.DeleteFunc(updates, func(u gh.RefUpdate) bool { return u.ID <= j.branch.ActivityID })
	}
	slices.Reverse(updates)
	return updates, t, nil, enrolled
}

// place reads where the branch is and the organisation's policy.
func (j *branchJob) place(ctx context.Context) (err error) {
	if j.repo, err = repositoryNow(ctx, j.client, j.job.Repository, j.job.RepoID); err != nil {
		return err
	}
	j.at, j.branch.Repository = repoOf(j.repo.FullName), j.repo.FullName
	j.above, err = facts.ReadOrganisationPolicy(ctx, j.client, j.at.Owner)
	return err
}

// enrolled sets the branch's mode. A branch that was enforced stays so when its policy is gone or
// broken, as for the decisions about its pull requests.
func (j *branchJob) enrolled(ctx context.Context, followed bool) error {
	main := j.repo.DefaultBranch
	b, err := j.policyAt(ctx, "refs/heads/"+main)
	if err == nil && b.Enrolled && j.job.Ref != main {
		b, err = j.policyAt(ctx, "refs/heads/"+j.job.Ref)
	}
	if err != nil {
		return err
	}
	j.policy, j.enrolment.PolicySHA256 = b.Policy, b.SHA256
	switch {
	case b.Enrolled:
		j.branch.Mode, j.enrolment.Reason = string(b.Lane.Mode), "The policy names the branch."
		return nil
	case followed && (b.Broken || j.branch.Mode == string(policy.ModeEnforce)):
		j.enrolment.Reason = "The policy that enrolled the branch cannot be used, or does not name it any more, and enforcement ends by no such change."
		return nil
	}
	row, err := j.tenant.DecisionForBase(ctx, j.job.RepoID, j.job.Ref)
	if errors.Is(err, store.ErrNotFound) {
		return errNotFollowed
	}
	var d policy.Decision
	if err == nil {
		err = json.Unmarshal(row.Decision, &d)
	}
	if err != nil {
		return err
	}
	if d.Mode != policy.ModeEnforce || d.GoverningRef != j.job.Ref {
		return errNotFollowed
	}
	j.branch.Mode, j.enrolment.Reason = string(d.Mode), "Decisions about its pull requests were made by a policy that enforces, and enforcement ends by no change of it."
	return nil
}

// first finds where to begin on a branch that was never looked at: with the oldest update that a
// delivery told of while the branch was enrolled already. What enrolled it is not judged, and
// what happened before the App was there is not either. Deliveries told of that; those of pushes
// up to there are left aside. A branch that was enforced stays so: who takes it out of the policy
// and puts it back before anybody looked hides nothing by that.
func (j *branchJob) first(ctx context.Context, updates []gh.RefUpdate) ([]gh.RefUpdate, error) {
	n := 0 // updates to judge
	enrolled, gap := true, false
	for i, u := range updates[:min(len(updates), maxLookedBack)] {
		heard, err := j.heard(ctx, u)
		if err != nil {
			return nil, err
		}
		told := heard.seq > 0
		if !told && !gap && j.Now().Sub(u.At) < branchPatience {
			return nil, fmt.Errorf("%w: no delivery has told of update %d yet", facts.ErrBehind, u.ID)
		}
		before, enforced, err := j.enrolledBefore(ctx, u)
		if err != nil {
			return nil, err
		}
		if gap {
			before = enforced
		}
		switch {
		case told && before:
			n = i + 1
		case told && enrolled:
			n = i // what enrolled it
		}
		enrolled, gap = before, gap || !before
	}
	if n < len(updates) {
		last := updates[n]
		heard, err := j.heard(ctx, last)
		if err != nil {
			return nil, err
		}
		j.branch.ActivityID, j.branch.Tip, j.branch.Seq = last.ID, last.After, heard.seq
		j.enrolment.From = last.At
	}
	if n > 0 {
		j.enrolment.From = updates[n-1].At
	}
	// If we stop here, the next look finds the same beginning or an earlier one.
	return updates[:n], nil
}

// enrolledBefore says whether the branch was enrolled before an update, and whether it was enforced.
func (j *branchJob) enrolledBefore(ctx context.Context, u gh.RefUpdate) (enrolled, enforced bool, err error) {
	at := u.Before
	if at == noCommit {
		at = u.After
		if j.job.Ref == j.repo.DefaultBranch {
			return false, false, nil // the repository begins here
		}
	}
	b, err := j.policyAt(ctx, at)
	return b.Enrolled || b.Broken, b.Enrolled && b.Lane.Mode == policy.ModeEnforce, err
}

// policyAt is the policy of the branch at a commit or full ref.
func (j *branchJob) policyAt(ctx context.Context, at string) (facts.BranchPolicy, error) {
	return facts.ReadBranchPolicy(ctx, j.client, j.at, j.above, at, j.job.Ref)
}

// exception is one about the branch, followed up by a policy; nil: none that can be used.
func (j *branchJob) exception(by *policy.Policy, kind, severity, subject, reason string) store.Exception {
	return follow(store.Exception{
		Kind: kind, Subject: subject, RepoID: j.job.RepoID, Repository: j.branch.Repository, Ref: j.job.Ref, Severity: severity, Reason: reason,
	}, by.Followed(), j.Now())
}
