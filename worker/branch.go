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
	// maxLookedBack is how many updates are judged that came before a branch was first looked at.
	maxLookedBack = 50
	// maxTips is how many enrolled branches a new one is compared with.
	maxTips = 30
	// noCommit is how GitHub writes that there is no commit: where a branch is made or deleted.
	noCommit = "0000000000000000000000000000000000000000"

	exceptionBlind = "blind-interval"
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
	branch store.Branch
}

// branch compares everything that reached a branch since it was last looked at with what was
// decided about it. What a delivery told of and what GitHub's activity alone tells of are judged
// alike.
func (w *Worker) branch(ctx context.Context, log zerolog.Logger, client *gh.Client, job store.Job) error {
	j := &branchJob{Worker: w, log: log.With().Str("branch", job.Ref).Logger(), client: client, tenant: w.Store.Tenant(job.OrgID), job: job}
	err := j.look(ctx)
	var limited *gh.RateLimitError
	switch {
	case errors.As(err, &limited):
		return w.Store.Postpone(ctx, job, limited.Until, err.Error())
	case errors.Is(err, facts.ErrBehind):
		age := w.Now().Sub(job.EnqueuedAt)
		return w.Store.Postpone(ctx, job, w.Now().Add(min(max(age/2, 200*time.Millisecond), time.Minute)), err.Error())
	}
	return err
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
	// Read before the activity, which must show all of them then.
	told, err := j.told(ctx)
	if err != nil {
		return err
	}
	updates, err := j.read(ctx, followed)
	switch {
	case errors.Is(err, errNotFollowed) && followed:
		return j.tenant.ForgetBranch(ctx, j.job)
	case errors.Is(err, errNotFollowed):
		return j.Store.Finish(ctx, j.job)
	case unseen(err) && followed:
		return j.blind(ctx, err)
	case errors.Is(err, gh.ErrNotFound):
		return j.Store.Finish(ctx, j.job) // the repository is gone, and nothing of it was followed
	case err != nil:
		return err
	}
	var open []store.Exception
	for _, u := range updates {
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
	if err := j.seeing(ctx); err != nil {
		return err
	}
	return j.tenant.SettleBranch(ctx, j.job, j.branch, late, j.Now().Add(branchEvery))
}

// errNotFollowed: the branch is not enrolled.
var errNotFollowed = errors.New("the branch is not enrolled")

// unseen says whether an error means that what reached the branch cannot be seen, which trying
// again does not help against.
func unseen(err error) bool {
	return errors.Is(err, gh.ErrForbidden) || errors.Is(err, gh.ErrNotFound) || errors.Is(err, gh.ErrTruncated)
}

// read are the updates to judge, oldest first.
func (j *branchJob) read(ctx context.Context, followed bool) ([]gh.RefUpdate, error) {
	var err error
	if j.repo, err = j.client.Repository(ctx, repoOf(j.job.Repository)); err != nil {
		return nil, err
	}
	if j.repo.ID != j.job.RepoID {
		return nil, fmt.Errorf("the name %s now belongs to repository %d: %w", j.job.Repository, j.repo.ID, gh.ErrNotFound)
	}
	j.at, j.branch.Repository = repoOf(j.repo.FullName), j.repo.FullName
	if j.above, err = facts.ReadOrganisationPolicy(ctx, j.client, j.at.Owner); err != nil {
		return nil, err
	}
	if err := j.enrolled(ctx, followed); err != nil {
		return nil, err
	}
	updates, found, err := j.client.RefActivity(ctx, j.at, j.job.Ref, j.branch.ActivityID)
	if err != nil {
		return nil, err
	}
	if !followed {
		if updates, err = j.first(ctx, updates); err != nil {
			return nil, err
		}
	} else if !found {
		updates = slices.DeleteFunc(updates, func(u gh.RefUpdate) bool { return u.ID <= j.branch.ActivityID })
	}
	slices.Reverse(updates)
	return updates, nil
}

// enrolled sets the branch's mode. A branch that was enforced stays so when its policy is gone or
// broken, as for the decisions about its pull requests.
func (j *branchJob) enrolled(ctx context.Context, followed bool) error {
	main := j.repo.DefaultBranch
	e, is, broken, err := facts.Enrols(ctx, j.client, j.at, j.above, "refs/heads/"+main, j.job.Ref)
	if err == nil && is && j.job.Ref != main {
		e, is, broken, err = facts.Enrols(ctx, j.client, j.at, j.above, "refs/heads/"+j.job.Ref, j.job.Ref)
	}
	if err != nil {
		return err
	}
	switch {
	case is:
		j.branch.Mode = string(e.Mode)
		return nil
	case followed && (broken || j.branch.Mode == string(policy.ModeEnforce)):
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
	j.branch.Mode = string(d.Mode)
	return nil
}

// first finds where to begin on a branch that was never looked at: with the oldest update that a
// delivery told of while the branch was enrolled already. What enrolled it is not judged, and
// what happened before the App was there is not either.
func (j *branchJob) first(ctx context.Context, updates []gh.RefUpdate) ([]gh.RefUpdate, error) {
	n := 0
	for ; n < min(len(updates), maxLookedBack); n++ {
		u := updates[n]
		heard, err := j.heard(ctx, u)
		if err != nil {
			return nil, err
		}
		if heard.seq == 0 {
			break
		}
		at := u.Before
		if at == noCommit {
			at = u.After
			if j.job.Ref == j.repo.DefaultBranch {
				break // the repository begins here
			}
		}
		_, is, broken, err := facts.Enrols(ctx, j.client, j.at, j.above, at, j.job.Ref)
		if err != nil {
			return nil, err
		}
		if !is && !broken {
			break
		}
	}
	if n < len(updates) {
		j.branch.ActivityID, j.branch.Tip = updates[n].ID, updates[n].After
	}
	// If we stop here, the next look finds the same beginning or an earlier one.
	return updates[:n], nil
}

// gap is the exception when an update does not begin where the one before it ended.
func (j *branchJob) gap(u gh.RefUpdate) *store.Exception {
	if j.branch.Tip == "" || u.Before == j.branch.Tip {
		return nil
	}
	e := j.exception(exceptionBlind, policy.SeverityHigh, fmt.Sprintf("%d/%s/%d", j.job.RepoID, j.job.Ref, u.ID),
		fmt.Sprintf("%s was at %.12s and then moved from %.12s to %.12s. GitHub's activity does not list what happened in between, so nobody can say what was merged then.", j.job.Ref, j.branch.Tip, u.Before, u.After))
	e.SHA = u.Before
	return &e
}

// receipt is the first delivery that told of an update.
type receipt struct {
	seq        int64
	deliveryID string
	at         time.Time
}

func (h *receipt) add(o store.Observation) {
	if h.seq == 0 || o.Seq < h.seq {
		*h = receipt{o.Seq, o.DeliveryID, o.ReceivedAt.UTC()}
	}
}

// heard finds the push that told of an update.
func (j *branchJob) heard(ctx context.Context, u gh.RefUpdate) (h receipt, err error) {
	observations, err := j.tenant.HeadObservations(ctx, j.job.RepoID, u.After)
	if err != nil {
		return h, err
	}
	for _, o := range observations {
		e, err := decode(o)
		if err != nil {
			return h, err
		}
		if e.Push != nil && e.Push.Ref == u.Ref && e.Push.Before == u.Before {
			h.add(o)
		}
	}
	return h, nil
}

// judge records what is found about one update.
func (j *branchJob) judge(ctx context.Context, u gh.RefUpdate, open []store.Exception) error {
	tips, err := j.tips(ctx, u)
	if err != nil {
		return err
	}
	f, err := facts.ReadUpdate(ctx, j.client, j.at, j.job.Ref, u, tips)
	if errors.Is(err, facts.ErrBehind) && j.Now().Sub(j.job.EnqueuedAt) > branchPatience {
		err = nil // it is judged by what GitHub shows
	}
	if err != nil {
		return err
	}
	f.RepositoryID, f.Mode = j.job.RepoID, policy.Mode(j.branch.Mode)
	if at := u.Before; at != noCommit {
		// The policy that held when it came, which it may itself have changed.
		e, is, _, err := facts.Enrols(ctx, j.client, j.at, j.above, at, j.job.Ref)
		if err != nil {
			return err
		}
		if is {
			f.Mode = e.Mode
		}
	}
	h, err := j.decided(ctx, u, &f)
	if err != nil {
		return err
	}
	findings := policy.JudgeUpdate(policy.Builtin(), &f)
	for _, finding := range findings {
		e := j.exception(finding.Kind, finding.Severity, fmt.Sprintf("%d/%d/%d/%s", j.job.RepoID, u.ID, finding.Number, finding.Severity), finding.Reason)
		e.Number, e.RecordID, e.SHA = finding.Number, finding.RecordID, u.After
		open = append(open, e)
	}
	body, err := mergeBody(f, findings)
	if err != nil {
		return err
	}
	j.branch.ActivityID, j.branch.Tip = u.ID, u.After
	err = j.tenant.RecordUpdate(ctx, j.job, j.branch, store.Update{
		ActivityID: u.ID, Before: u.Before, After: u.After, Type: u.Type, ActorID: u.Actor.ID, Actor: u.Actor.Login, At: u.At,
		Seq: h.seq, DeliveryID: h.deliveryID, ReceivedAt: h.at, Findings: len(findings), Body: body,
	}, open)
	if err == nil {
		j.log.Info().Int64("activity", u.ID).Str("type", u.Type).Str("after", u.After).Int("findings", len(findings)).Msg("an update of the branch was looked at")
	}
	return err
}

// tips are the commits that enrolled branches lead to, for a branch that was made: it may have
// been made from what reached another one a moment ago.
func (j *branchJob) tips(ctx context.Context, u gh.RefUpdate) (out []string, err error) {
	if u.Type != policy.UpdateCreation {
		return nil, nil
	}
	branches, err := j.tenant.Branches(ctx, j.job.RepoID)
	if err != nil {
		return nil, err
	}
	for _, b := range branches[:min(len(branches), maxTips)] {
		tip := b.Tip
		if b.Ref != j.job.Ref {
			newer, _, err := j.client.RefActivity(ctx, j.at, b.Ref, b.ActivityID)
			if err != nil {
				return nil, err
			}
			if len(newer) > 0 && newer[0].After != noCommit {
				tip = newer[0].After
			}
		}
		if tip != "" && tip != noCommit {
			out = append(out, tip)
		}
	}
	return out, nil
}

// decided adds to the facts what was decided before the update was heard of, and returns what was
// heard first: the push, or that the pull request was merged. What no delivery told of counts as
// heard a minute after GitHub's own clock, which need not agree with ours.
func (j *branchJob) decided(ctx context.Context, u gh.RefUpdate, f *policy.UpdateFacts) (receipt, error) {
	pushed, err := j.heard(ctx, u)
	if err != nil {
		return pushed, err
	}
	first := pushed
	for _, m := range f.Changes.Items {
		observations, err := j.tenant.Observations(ctx, j.job.RepoID, m.Number)
		if err != nil {
			return pushed, err
		}
		for _, o := range observations {
			e, err := decode(o)
			if err != nil {
				return pushed, err
			}
			if e.PullRequest != nil && e.Name == "pull_request" && e.Action == "closed" && e.PullRequest.Merged {
				first.add(o)
			}
		}
	}
	f.Seq, f.ReceivedAt = first.seq, first.at
	before := first.at
	if before.IsZero() {
		before = u.At.Add(time.Minute)
	}
	group, err := j.groupDecision(ctx, u.After, before, f)
	if err != nil {
		return pushed, err
	}
	for i := range f.Changes.Items {
		if err := j.priorTo(ctx, before, &f.Changes.Items[i], group); err != nil {
			return pushed, err
		}
	}
	return first, nil
}

// groupDecision reads what was decided about the commit as a merge group, and with what facts.
func (j *branchJob) groupDecision(ctx context.Context, sha string, at time.Time, f *policy.UpdateFacts) (policy.GroupFacts, error) {
	var group policy.GroupFacts
	row, _, err := j.tenant.DecisionsAround(ctx, j.job.RepoID, 0, sha, at)
	if err != nil || row == nil {
		return group, err
	}
	if f.Group, err = prior(row); err != nil || len(row.Facts) == 0 {
		return group, err
	}
	return group, json.Unmarshal(row.Facts, &group)
}

// priorTo reads what was decided about one merged pull request. The files that were decided on
// are those of its merge group, if it was in one that was decided on.
func (j *branchJob) priorTo(ctx context.Context, at time.Time, m *policy.MergedChange, group policy.GroupFacts) error {
	before, later, err := j.tenant.DecisionsAround(ctx, j.job.RepoID, m.Number, m.HeadSHA, at)
	if err != nil {
		return err
	}
	if before != nil {
		if m.Before, err = prior(before); err != nil {
			return err
		}
		if len(before.Facts) > 0 {
			var f policy.Facts
			if err := json.Unmarshal(before.Facts, &f); err != nil {
				return fmt.Errorf("decode facts of decision %s: %w", before.RecordID, err)
			}
			m.Files = f.Files
		}
	}
	if later != nil {
		if m.Later, err = prior(later); err != nil {
			return err
		}
	}
	for _, member := range group.Members.Items {
		if member.Number == m.Number && member.HeadSHA == m.HeadSHA && member.Facts != nil {
			m.Files = member.Facts.Files
		}
	}
	return nil
}

func prior(row *store.Decided) (*policy.PriorDecision, error) {
	var d policy.Decision
	if err := json.Unmarshal(row.Decision, &d); err != nil {
		return nil, fmt.Errorf("decode decision %s: %w", row.RecordID, err)
	}
	return &policy.PriorDecision{
		RecordID: row.RecordID, LeafIndex: row.LeafIndex, RecordedAt: row.RecordedAt, Verdict: d.Verdict, Mode: d.Mode, GoverningRef: d.GoverningRef, Members: d.Members,
	}, nil
}

// mergeBody is the body of the leaf about an update. The files that were decided on are in the
// decisions' own facts, so they are only counted.
func mergeBody(f policy.UpdateFacts, findings []policy.Finding) ([]byte, error) {
	f.Changes.Items = slices.Clone(f.Changes.Items)
	for i := range f.Changes.Items {
		f.Changes.Items[i].Files.Items = nil
	}
	if findings == nil {
		findings = []policy.Finding{}
	}
	body, err := json.Marshal(struct {
		V         int                `json:"v"`
		Update    policy.UpdateFacts `json:"update"`
		Findings  []policy.Finding   `json:"findings"`
		Catalogue string             `json:"catalogue"` // revision of the agent catalogue
		// Bypass says whether a right to bypass the branch's rules was used.
		Bypass string `json:"bypass"`
	}{1, f, findings, policy.Builtin().Revision(), "not observable"})
	if err != nil {
		return nil, fmt.Errorf("encode update: %w", err)
	}
	return body, nil
}

// told are the pushes to the branch that were received since it was last settled.
func (j *branchJob) told(ctx context.Context) ([]store.Observation, error) {
	all, err := j.tenant.PushesAfter(ctx, j.job.RepoID, j.branch.Seq)
	if err != nil {
		return nil, err
	}
	var ours []store.Observation
	for _, o := range all {
		e, err := decode(o)
		if err != nil {
			return nil, err
		}
		if e.Push != nil && e.Push.Ref == "refs/heads/"+j.job.Ref {
			ours = append(ours, o)
		}
	}
	return ours, nil
}

// untold are exceptions for pushes that deliveries told of and that GitHub's activity does not
// list, after some patience. Until then it is ErrBehind.
func (j *branchJob) untold(ctx context.Context, told []store.Observation, updates []gh.RefUpdate) (open []store.Exception, err error) {
	var all []gh.RefUpdate
	for _, o := range told {
		e, err := decode(o)
		if err != nil {
			return nil, err
		}
		is := func(u gh.RefUpdate) bool { return u.Before == e.Push.Before && u.After == e.Push.After }
		if !slices.ContainsFunc(updates, is) {
			if all == nil { // a delivery may come long after what it tells of
				if all, _, err = j.client.RefActivity(ctx, j.at, j.job.Ref, 0); err != nil {
					return nil, err
				}
			}
			if !slices.ContainsFunc(all, is) {
				if j.Now().Sub(o.ReceivedAt) < branchPatience {
					return nil, fmt.Errorf("%w: GitHub does not list the push of %.12s yet", facts.ErrBehind, e.Push.After)
				}
				e := j.exception(exceptionBlind, policy.SeverityHigh, fmt.Sprintf("%d/%s/push %d", j.job.RepoID, j.job.Ref, o.Seq),
					fmt.Sprintf("GitHub told of a push to %s from %.12s to %.12s, and its activity does not list it, so it was not compared with what was decided.", j.job.Ref, e.Push.Before, e.Push.After))
				open = append(open, e)
			}
		}
		j.branch.Seq = max(j.branch.Seq, o.Seq)
	}
	return open, nil
}

// blind notes that what reaches the branch cannot be seen, once, and looks again later.
func (j *branchJob) blind(ctx context.Context, cause error) error {
	now := j.Now().UTC()
	j.log.Warn().Err(cause).Msg("what reaches the branch cannot be seen")
	var open []store.Exception
	if j.branch.BlindSince.IsZero() {
		j.branch.BlindSince = now
		open = append(open, j.exception(exceptionBlind, policy.SeverityHigh, fmt.Sprintf("%d/%s/blind after %d", j.job.RepoID, j.job.Ref, j.branch.ActivityID),
			fmt.Sprintf("From %s on GitHub does not show the App what reaches %s: %s", whenUTC(now), j.job.Ref, blindCause(cause))))
	}
	return j.tenant.SettleBranch(ctx, j.job, j.branch, open, j.Now().Add(branchEvery))
}

func blindCause(cause error) string {
	switch {
	case errors.Is(cause, gh.ErrForbidden):
		return "the App lacks the permission to read the repository's contents. An organisation owner can accept it in the App's settings."
	case errors.Is(cause, gh.ErrTruncated):
		return "there were more updates than can be read at once. Look through the repository's activity by hand."
	}
	return "the repository is not there, or the App is not installed on it any more."
}

// seeing notes that a branch that could not be seen was caught up with.
func (j *branchJob) seeing(ctx context.Context) error {
	if j.branch.BlindSince.IsZero() {
		return nil
	}
	open, err := j.tenant.Exceptions(ctx, store.ExceptionFilter{RepoID: j.job.RepoID, Kind: exceptionBlind, Open: true})
	if err != nil {
		return err
	}
	now := j.Now().UTC()
	for _, e := range open {
		if e.Ref != j.job.Ref || e.State != store.ExceptionOpen || e.OpenedAt.Before(j.branch.BlindSince.Truncate(time.Microsecond)) {
			continue
		}
		err := j.tenant.StepException(ctx, e.ID, func(e *store.Exception) bool {
			e.State, e.Step, e.By = store.ExceptionRemediated, "remediated", "countersign"
			e.Remediation = fmt.Sprintf("The App can see the branch again since %s, and compared everything that GitHub's activity lists of the time in between.", whenUTC(now))
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

// exception is one about the branch.
func (j *branchJob) exception(kind, severity, subject, reason string) store.Exception {
	e := store.Exception{
		Kind: kind, Subject: subject, RepoID: j.job.RepoID, Repository: j.branch.Repository, Ref: j.job.Ref, Severity: severity, Reason: reason,
	}
	switch severity {
	case policy.SeverityHigh:
		e.DueAt = j.Now().UTC().Truncate(time.Microsecond).Add(24 * time.Hour)
	case policy.SeverityMedium:
		e.DueAt = j.Now().UTC().Truncate(time.Microsecond).Add(7 * 24 * time.Hour)
	}
	return e
}
