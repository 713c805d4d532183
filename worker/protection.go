package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// decidedProtection is how an evaluation found the branch protected; nil when it could not read
// of which branch.
func (w *Worker) decidedProtection(d policy.Decision, p *policy.Policy, f *policy.Facts) (*store.ProtectionSeen, error) {
	if f.Protection.Ref == "" {
		return nil, nil
	}
	seen, err := w.protectionSeen(f.Protection, p, f.EvaluatedAt)
	seen.At, seen.Enforced = f.CollectedAt, d.Mode == policy.ModeEnforce
	return &seen, err
}

// protect looks at how the branch is protected, whether or not a pull request asks.
func (j *branchJob) protect(ctx context.Context) error {
	if j.policy == nil {
		return nil // pull requests are told of a policy that cannot be used
	}
	if _, enrolled := j.policy.Lane(j.job.Ref); !enrolled {
		return nil // it says nothing of how a branch is to be protected that it does not enrol
	}
	now := j.Now() // before it is read: what is newer must not be set back
	protection, err := facts.ReadProtection(ctx, j.client, j.at, j.job.Ref, j.tenant.AttestedBypass)
	if unseen(err) {
		protection, err = policy.Protection{Ref: j.job.Ref, Why: err.Error()}, nil
	}
	if err != nil {
		return err
	}
	seen, err := j.protectionSeen(protection, j.policy, now)
	if err != nil {
		return err
	}
	seen.At, seen.Enforced = now, policy.Mode(j.branch.Mode) == policy.ModeEnforce
	return j.tenant.RecordProtection(ctx, j.job, j.branch.Repository, seen)
}

// protectionSeen is what is recorded of a branch's protection and what the rule says of it.
func (w *Worker) protectionSeen(protection policy.Protection, p *policy.Policy, at time.Time) (store.ProtectionSeen, error) {
	settings, err := protection.Settings()
	if err != nil {
		return store.ProtectionSeen{}, fmt.Errorf("encode protection: %w", err)
	}
	holds, why := policy.Protected(p, w.App, protection, at)
	return store.ProtectionSeen{
		Ref: protection.Ref, Settings: settings, Holds: string(holds), Why: why,
		Drift: follow(store.Exception{Severity: policy.SeverityHigh}, p.Followed(), w.Now()),
	}, nil
}
