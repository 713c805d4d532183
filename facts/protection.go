package facts

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// ReadProtection reads how a branch is protected, as for a pull request that is judged by it.
// attested says what an owner attested of a ruleset's bypass list; nil: nobody did.
func ReadProtection(ctx context.Context, client *gh.Client, repo gh.Repo, branch string, attested func(context.Context, int64) (*policy.AttestedBypass, error)) (out policy.Protection, err error) {
	var answer struct {
		Repository *struct {
			Base *gqlBase `json:"base"`
		} `json:"repository"`
	}
	vars := map[string]any{"owner": repo.Owner, "name": repo.Name, "base": "refs/heads/" + branch}
	if err := client.GraphQL(ctx, protectionQuery, vars, &answer); err != nil {
		return out, fmt.Errorf("read the protection of %s:%s: %w", repo, branch, err)
	}
	if answer.Repository == nil {
		return out, fmt.Errorf("read the protection of %s:%s: %w", repo, branch, gh.ErrNotFound)
	}
	rules, err := client.BranchRules(ctx, repo, branch)
	if err != nil {
		return out, err
	}
	second := newSecondReading()
	for _, id := range rulesetIDs(rules) {
		if err := second.readRuleset(ctx, client, repo, id); err != nil {
			return out, err
		}
	}
	out = protection(branch, answer.Repository.Base, rules, second)
	return out, addAttested(ctx, attested, &out)
}

// protection joins classic branch protection with the active rules of every ruleset,
// and gives each of them its bypass list or says that it could not be read.
func protection(ref string, base *gqlBase, rules []gh.Rule, second *secondReading) policy.Protection {
	out := policy.Protection{Ref: ref, Readable: true, Rules: policy.List[policy.Rule]{Complete: true, Total: len(rules)}}
	if base == nil {
		out.Readable, out.Why = false, "GitHub does not show the branch "+out.Ref
		return out
	}
	if classic := base.BranchProtectionRule; classic != nil {
		out.Classic = fromClassic(classic)
		out.Bypass = append(out.Bypass, classicBypass(classic))
	}
	for _, rule := range rules {
		out.Rules.Items = append(out.Rules.Items, fromRule(rule))
	}
	for _, id := range rulesetIDs(rules) {
		out.Bypass = append(out.Bypass, rulesetBypass(id, rules, second))
	}
	return out
}

func fromClassic(c *gqlClassic) *policy.ClassicProtection {
	out := &policy.ClassicProtection{
		Pattern: c.Pattern, AdminsBound: c.IsAdminEnforced, AllowsForcePushes: c.AllowsForcePushes, AllowsDeletions: c.AllowsDeletions,
		RequiresReviews: c.RequiresApprovingReviews, RequiredReviews: c.RequiredApprovingReviewCount, RequiresChecks: c.RequiresStatusChecks,
		RequiresUpToDate: c.RequiresStrictStatusChecks, RequiresLastPush: c.RequireLastPushApproval, RequiresCodeOwners: c.RequiresCodeOwnerReviews,
		DismissesStale: c.DismissesStaleReviews, RestrictsPushes: c.RestrictsPushes, Locked: c.LockBranch,
		AllowancesComplete: !c.BypassPullRequestAllowances.PageInfo.HasNextPage && !c.BypassForcePushAllowances.PageInfo.HasNextPage,
	}
	for _, check := range c.RequiredStatusChecks {
		required := policy.RequiredCheck{Name: check.Context}
		if check.App != nil {
			required.AppID = check.App.DatabaseID
		}
		out.RequiredChecks = append(out.RequiredChecks, required)
	}
	return out
}

// classicBypass lists who may pass classic protection by: those who need no pull
// request, and those who may force-push.
func classicBypass(c *gqlClassic) policy.Bypass {
	out := policy.Bypass{Source: "classic branch protection", State: policy.BypassNone}
	for _, list := range []struct {
		mode    string
		allowed allowances
	}{{"pull_request", c.BypassPullRequestAllowances}, {"always", c.BypassForcePushAllowances}} {
		for _, node := range list.allowed.Nodes {
			if node.Actor == nil {
				return policy.Bypass{Source: out.Source, State: policy.BypassUnreadable, Why: "GitHub left an entry of the list empty"}
			}
			actor := policy.BypassActor{Type: node.Actor.Typename, ID: node.Actor.DatabaseID, Mode: list.mode}
			if actor.Type == "App" {
				actor.Type = "Integration" // as rulesets call it
			}
			for _, name := range []string{node.Actor.Login, node.Actor.CombinedSlug, node.Actor.Slug} {
				if name != "" {
					actor.Name = name
				}
			}
			out.State, out.Actors = policy.BypassThese, append(out.Actors, actor)
		}
		if list.allowed.PageInfo.HasNextPage {
			return policy.Bypass{Source: out.Source, State: policy.BypassUnreadable, Why: "more than 100 entries"}
		}
	}
	return out
}

func fromRule(r gh.Rule) policy.Rule {
	out := policy.Rule{
		Type: r.Type, RulesetID: r.RulesetID, SourceType: r.SourceType, Source: r.Source,
		RequiredReviews: r.RequiredReviews, RequiresUpToDate: r.RequiresUpToDate, MergeMethods: r.MergeMethods,
	}
	for _, check := range r.RequiredChecks {
		out.RequiredChecks = append(out.RequiredChecks, policy.RequiredCheck{Name: check.Name, AppID: check.AppID})
	}
	return out
}

func rulesetBypass(id int64, rules []gh.Rule, second *secondReading) policy.Bypass {
	out := policy.Bypass{RulesetID: id, State: policy.BypassUnreadable}
	for _, rule := range rules {
		if rule.RulesetID == id {
			out.Source = rule.SourceType + " " + rule.Source
		}
	}
	ruleset, ok := second.rulesets[id]
	out.UpdatedAt = ruleset.UpdatedAt
	switch {
	case !ok && second.rulesetErrs[id] != nil:
		out.Why = second.rulesetErrs[id].Error()
	case !ok || !ruleset.BypassReadable:
		out.Why = "GitHub shows a bypass list only to those who may edit the ruleset"
	case len(ruleset.BypassActors) == 0:
		out.State = policy.BypassNone
	default:
		out.State = policy.BypassThese
		for _, a := range ruleset.BypassActors {
			out.Actors = append(out.Actors, policy.BypassActor{Type: a.Type, ID: a.ID, Mode: a.Mode})
		}
	}
	return out
}

// addAttested adds what owners attested of the bypass lists that could not be read.
func addAttested(ctx context.Context, attestedOf func(context.Context, int64) (*policy.AttestedBypass, error), p *policy.Protection) error {
	for i := range p.Bypass {
		b := &p.Bypass[i]
		if b.State != policy.BypassUnreadable || b.RulesetID == 0 {
			continue
		}
		attested, err := attestedOf(ctx, b.RulesetID)
		if err != nil {
			return fmt.Errorf("what was attested of ruleset %d: %w", b.RulesetID, err)
		}
		b.Attested = attested
	}
	return nil
}
