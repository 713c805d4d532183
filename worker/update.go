package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

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
		if o.Disposed { // a push of long ago
			continue
		}
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
	followed := j.policy
	if at := u.Before; at != noCommit {
		// The policy that held when it came: it may itself have changed it, and how what it did is
		// followed up.
		held, err := j.policyAt(ctx, at)
		if err != nil {
			return err
		}
		if held.Enrolled {
			f.Mode, followed = held.Lane.Mode, held.Policy
		}
	}
	h, err := j.decided(ctx, u, &f)
	if err != nil {
		return err
	}
	findings := policy.JudgeUpdate(policy.Builtin(), &f)
	for i, finding := range findings {
		// An update is judged once, so the place of a finding in the list tells it apart.
		e := j.exception(followed, finding.Kind, finding.Severity, fmt.Sprintf("%d/%d/%d/%d", j.job.RepoID, u.ID, finding.Number, i), finding.Reason)
		e.Number, e.RecordID, e.SHA, e.CausedBy = finding.Number, finding.RecordID, u.After, u.Actor.ID
		e.Involved = j.behind[finding.Number]
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
// been made from what reached another one a moment ago, or again where it was before.
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
		if b.Ref == j.job.Ref {
			if tip, err = j.tenant.TipWhenDeleted(ctx, j.job.RepoID, b.Ref); err != nil {
				return nil, err
			}
		} else {
			newer, _, err := j.client.RefActivity(ctx, j.at, b.Ref, b.ActivityID)
			if err != nil {
				return nil, err
			}
			switch {
			case len(newer) > 0 && newer[0].After != noCommit:
				tip = newer[0].After
			case len(newer) == 0 && tip == noCommit:
				// It was deleted, perhaps because it got another name.
				if tip, err = j.tenant.TipBefore(ctx, b.RepoID, b.ActivityID); err != nil && !errors.Is(err, store.ErrNotFound) {
					return nil, err
				}
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
// heard some time after GitHub's own clock, which need not agree with ours.
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
			if o.Disposed { // merged long ago: the commit came back
				continue
			}
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
		before = u.At.Add(deliveryPatience)
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
	if err := j.involve(m.Number, before, later); err != nil {
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

// involve remembers who is behind a pull request, as far as decisions about it say: they do not
// close what is found about it.
func (j *branchJob) involve(number int, rows ...*store.Decided) error {
	for _, row := range rows {
		if row == nil {
			continue
		}
		var d policy.Decision
		if err := json.Unmarshal(row.Decision, &d); err != nil {
			return fmt.Errorf("decode decision %s: %w", row.RecordID, err)
		}
		for _, m := range slices.Concat(d.Authorship.Authors, d.Authorship.Initiators) {
			if id := m.Actor.ID; id != 0 && !slices.Contains(j.behind[number], id) {
				j.behind[number] = append(j.behind[number], id)
			}
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
		Class: d.Authorship.Class, Agents: d.Authorship.Agents, Measures: policy.MeasuresOf(d, row.Facts, row.Catalogue),
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
