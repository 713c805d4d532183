package worker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// mergedUndecided are the kinds of exceptions about a merge that lacked something which can still
// come: then they are remediated. That it was missing stays true.
var mergedUndecided = []string{policy.FindingWithoutDecision, policy.FindingBeforeDecision, policy.FindingWhileFailing}

// retrospect follows up the exceptions of a pull request that is not open any more. Emergencies
// and late reviews are settled: closed without being merged there is nothing to review, and
// merged it is settled by the review that it would have needed. A merge that lacked something is
// remediated once it lacks nothing.
func (w *Worker) retrospect(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, c facts.Collected) error {
	open, err := tenant.Exceptions(ctx, store.ExceptionFilter{RepoID: job.RepoID, Number: job.Number, Open: true})
	if err != nil || len(open) == 0 {
		return err
	}
	merged, after := c.Facts.Change.State == "merged", afterwards(c, c.Policy, c.Catalogue)
	for _, e := range open {
		settle := w.settling(e.Exception, merged, after)
		if settle == nil {
			continue
		}
		lacks, err := lackedThen(ctx, tenant, job, e.Exception, c)
		if err != nil {
			return err
		}
		if lacks {
			continue
		}
		err = tenant.StepException(ctx, e.ID, func(e *store.Exception) bool {
			if e.State != store.ExceptionOpen {
				return false
			}
			settle(e)
			return true
		})
		if err != nil {
			return err
		}
		log.Info().Str("exception", e.ID).Str("kind", e.Kind).Msg("followed up after the pull request was closed")
	}
	return nil
}

// settling is the step that an exception takes, given what would be decided now; nil: none.
func (w *Worker) settling(e store.Exception, merged bool, after policy.Decision) func(*store.Exception) {
	reviewers := strings.Join(countedReviewers(after), ", ")
	reviewed := reviewers != "" && holds(after, policy.RuleHumanReview, policy.RuleFreshReview)
	switch {
	case e.ByReview() && !merged:
		return func(e *store.Exception) {
			e.State, e.Step, e.By, e.ClosedAt = store.ExceptionClosed, "closed", stepByUs, w.Now().UTC()
			e.Remediation = "The pull request was closed without being merged."
		}
	case e.ByReview() && reviewed:
		return func(e *store.Exception) {
			e.State, e.Step, e.By, e.ClosedAt = store.ExceptionClosed, "reviewed", reviewers, w.Now().UTC()
			e.Remediation = "Reviewed in retrospect by " + reviewers + "."
		}
	case merged && slices.Contains(mergedUndecided, e.Kind) && lacksNothing(after):
		return func(e *store.Exception) {
			e.State, e.Step, e.By = store.ExceptionRemediated, "remediated", stepByUs
			e.Remediation = "It was merged without, and holds what the policy asks for by now."
			if reviewed {
				e.Remediation = "Reviewed after the merge by " + reviewers + ", and holds what the policy asks for by now."
			}
		}
	}
	return nil
}

// afterwards is what a policy would decide now, without the emergency that it was released by.
func afterwards(c facts.Collected, p *policy.Policy, cat *policy.Catalogue) policy.Decision {
	f := c.Facts
	f.Declarations = nil
	return policy.Evaluate(p, cat, &f)
}

// lackedThen says whether a merge still lacks something by the policy that it was decided on by:
// whoever loosens the policy afterwards has not thereby mended what was merged while it failed. A
// merge of which no decision is recorded has no other policy than that of now.
func lackedThen(ctx context.Context, tenant store.Tenant, job store.Job, e store.Exception, c facts.Collected) (bool, error) {
	if !slices.Contains(mergedUndecided, e.Kind) {
		return false, nil
	}
	row, later, err := tenant.DecisionsAround(ctx, job.RepoID, job.Number, c.Facts.Change.HeadSHA, e.OpenedAt)
	if err != nil {
		return false, err
	}
	if row == nil {
		row = later
	}
	if row == nil || len(row.Policy) == 0 || len(row.Catalogue) == 0 {
		return false, nil
	}
	p, _, err := policy.ParseKept(row.Policy, c.Facts.Repository.Name)
	if err != nil {
		return false, fmt.Errorf("policy of decision %s: %w", row.RecordID, err)
	}
	cat, err := policy.ParseCatalogue(row.Catalogue)
	if err != nil {
		return false, fmt.Errorf("catalogue of decision %s: %w", row.RecordID, err)
	}
	return !lacksNothing(afterwards(c, p, cat)), nil
}

// holds says whether rules are among those of a decision and hold.
func holds(d policy.Decision, rules ...string) bool {
	n := 0
	for _, r := range d.Rules {
		if slices.Contains(rules, r.Rule) && (r.Outcome == policy.OutcomePass || r.Outcome == policy.OutcomeNotApplicable) {
			n++
		}
	}
	return n == len(rules)
}

// lacksNothing says whether every rule about the change itself holds. How its branch is protected
// by now, and when it was reviewed, say nothing about it any more.
func lacksNothing(d policy.Decision) bool {
	for _, r := range d.Rules {
		about := r.Rule != policy.RuleBranchProtection && r.Rule != policy.RuleTimely
		if about && r.Outcome != policy.OutcomePass && r.Outcome != policy.OutcomeNotApplicable {
			return false
		}
	}
	return len(d.Rules) > 0
}

// countedReviewers are the logins of those whose approvals count.
func countedReviewers(d policy.Decision) (logins []string) {
	for _, r := range d.Reviews {
		if r.Counted {
			logins = append(logins, r.Actor.Login)
		}
	}
	return logins
}
