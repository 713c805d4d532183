package ghsim

var protectionFields = map[string]resolver{
	"databaseId":                     on(func(p *protection) any { return p.id }),
	"pattern":                        on(func(p *protection) any { return p.pattern }),
	"isAdminEnforced":                on(func(p *protection) any { return p.enforceAdmins }),
	"allowsForcePushes":              on(func(p *protection) any { return p.allowForcePushes }),
	"allowsDeletions":                on(func(p *protection) any { return p.allowDeletions }),
	"restrictsPushes":                on(func(p *protection) any { return p.restrictPushes }),
	"lockBranch":                     on(func(p *protection) any { return p.lockBranch }),
	"requiresLinearHistory":          on(func(p *protection) any { return p.linearHistory }),
	"requiresConversationResolution": on(func(p *protection) any { return p.conversations }),
	"requiresCommitSignatures":       on(func(p *protection) any { return p.signatures }),
	"requiresApprovingReviews":       on(func(p *protection) any { return p.requireReviews }),
	"requiredApprovingReviewCount": on(func(p *protection) any {
		if !p.requireReviews {
			return nil
		}
		return p.approvals
	}),
	"dismissesStaleReviews":       on(func(p *protection) any { return p.dismissStale }),
	"requireLastPushApproval":     on(func(p *protection) any { return p.lastPushApproval }),
	"requiresCodeOwnerReviews":    on(func(p *protection) any { return p.codeOwners }),
	"requiresStatusChecks":        on(func(p *protection) any { return p.requireChecks }),
	"requiresStrictStatusChecks":  on(func(p *protection) any { return p.strict }),
	"requiredStatusChecks":        on(func(p *protection) any { return p.requiredChecks() }),
	"requiredStatusCheckContexts": on(func(p *protection) any { return p.contexts() }),
	"bypassPullRequestAllowances": in(func(_ *gqlQuery, p *protection, args gqlArgs) (any, error) { return paged(p.bypassPullRequest, args) }),
	"bypassForcePushAllowances":   in(func(_ *gqlQuery, p *protection, args gqlArgs) (any, error) { return paged(p.bypassForcePush, args) }),
	"pushAllowances":              in(func(_ *gqlQuery, p *protection, args gqlArgs) (any, error) { return paged(p.pushAllowances, args) }),
}

// requiredChecks is the list as it counts: empty while checks are not required.
func (p *protection) requiredChecks() []requiredCheck {
	if !p.requireChecks {
		return nil
	}
	return p.checks
}

func (p *protection) contexts() []string {
	names := []string{}
	for _, c := range p.requiredChecks() {
		names = append(names, c.context)
	}
	return names
}

var requiredCheckFields = map[string]resolver{
	"context": on(func(c requiredCheck) any { return c.context }),
	"app":     in(func(q *gqlQuery, c requiredCheck, _ gqlArgs) (any, error) { return q.sim.apps[c.appID], nil }),
}

// allowanceFields answers the three kinds of allowance, which all hold one actor.
var allowanceFields = map[string]resolver{
	"actor": on(func(a actor) any {
		switch {
		case a.user != nil:
			return typed{"User", a.user}
		case a.team != nil:
			return typed{"Team", a.team}
		case a.app != nil:
			return typed{"App", a.app}
		}
		return nil
	}),
}
