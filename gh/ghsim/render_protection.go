package ghsim

// renderRuleset is a ruleset in full. bypass_actors is there only for callers who may
// write the ruleset; the field is absent for others, which is not an empty list.
func (s *Sim) renderRuleset(v *viewer, rs *ruleset) obj {
	o := s.renderRulesetSummary(rs)
	conditions := obj{"ref_name": obj{"include": list(rs.include), "exclude": list(rs.exclude)}}
	if rs.org != nil {
		conditions["repository_name"] = obj{"include": list(rs.repoInclude), "exclude": list(rs.repoExclude), "protected": false}
	}
	o["conditions"] = conditions
	o["rules"] = render(rs.rules, renderRule)
	if s.mayEditRuleset(v, rs) {
		o["bypass_actors"] = render(rs.bypass, renderBypassActor)
	}
	return o
}

func renderRule(r rule) obj {
	o := obj{"type": r.kind}
	if r.parameters != nil {
		o["parameters"] = r.parameters
	}
	return o
}

func renderBypassActor(b bypassActor) obj {
	o := obj{"actor_id": nil, "actor_type": b.kind, "bypass_mode": b.mode}
	if b.id != 0 {
		o["actor_id"] = b.id
	}
	return o
}

func (s *Sim) mayEditRuleset(v *viewer, rs *ruleset) bool {
	if rs.org != nil {
		return s.canOrg(v, rs.org, "organization_administration", "write")
	}
	return s.can(v, rs.repo, "administration", "write")
}

// renderRulesetSummary is a ruleset as lists have it.
func (s *Sim) renderRulesetSummary(rs *ruleset) obj {
	self := s.api("/orgs/" + rs.source() + "/rulesets/" + decimal(rs.id))
	html := s.baseURL + "/organizations/" + rs.source() + "/settings/rules/" + decimal(rs.id)
	if rs.repo != nil {
		self, html = s.repoAPI(rs.repo)+"/rulesets/"+decimal(rs.id), s.html(rs.repo)+"/rules/"+decimal(rs.id)
	}
	return obj{"id": rs.id, "name": rs.name, "target": rs.target, "source_type": rs.sourceType(), "source": rs.source(), "enforcement": rs.enforcement,
		"node_id": nodeID("RepositoryRuleset", rs.id), "_links": obj{"self": obj{"href": self}, "html": obj{"href": html}},
		"created_at": stamp(rs.createdAt), "updated_at": stamp(rs.updatedAt)}
}

// renderEffectiveRule is one rule of rules/branches.
func renderEffectiveRule(e effectiveRule) obj {
	o := renderRule(e.rule)
	o["ruleset_source_type"], o["ruleset_source"], o["ruleset_id"] = e.set.sourceType(), e.set.source(), e.set.id
	return o
}

// renderProtection is classic branch protection.
func (s *Sim) renderProtection(r *repo, branch string, p *protection) obj {
	u := s.repoAPI(r) + "/branches/" + escapePath(branch) + "/protection"
	on := func(b bool) obj { return obj{"enabled": b} }
	o := obj{"url": u, "required_signatures": obj{"url": u + "/required_signatures", "enabled": p.signatures},
		"enforce_admins":          obj{"url": u + "/enforce_admins", "enabled": p.enforceAdmins},
		"required_linear_history": on(p.linearHistory), "allow_force_pushes": on(p.allowForcePushes), "allow_deletions": on(p.allowDeletions),
		"block_creations": on(false), "required_conversation_resolution": on(p.conversations), "lock_branch": on(p.lockBranch), "allow_fork_syncing": on(false)}
	if p.requireChecks {
		o["required_status_checks"] = s.renderRequiredChecks(u, p)
	}
	if p.requireReviews {
		o["required_pull_request_reviews"] = s.renderRequiredReviews(u, p)
	}
	if p.restrictPushes {
		restrictions := obj{"url": u + "/restrictions", "users_url": u + "/restrictions/users", "teams_url": u + "/restrictions/teams", "apps_url": u + "/restrictions/apps"}
		s.fillActors(restrictions, p.pushAllowances)
		o["restrictions"] = restrictions
	}
	return o
}

func (s *Sim) renderRequiredChecks(u string, p *protection) obj {
	contexts := []string{}
	for _, c := range p.checks {
		contexts = append(contexts, c.context)
	}
	checks := render(p.checks, func(c requiredCheck) obj {
		o := obj{"context": c.context, "app_id": nil}
		if c.appID != 0 {
			o["app_id"] = c.appID
		}
		return o
	})
	return obj{"url": u + "/required_status_checks", "strict": p.strict, "contexts": contexts, "contexts_url": u + "/required_status_checks/contexts", "checks": checks}
}

func (s *Sim) renderRequiredReviews(u string, p *protection) obj {
	o := obj{"url": u + "/required_pull_request_reviews", "dismiss_stale_reviews": p.dismissStale, "require_code_owner_reviews": p.codeOwners,
		"required_approving_review_count": p.approvals, "require_last_push_approval": p.lastPushApproval}
	if len(p.bypassPullRequest) > 0 {
		allowances := obj{}
		s.fillActors(allowances, p.bypassPullRequest)
		o["bypass_pull_request_allowances"] = allowances
	}
	return o
}

// fillActors writes the lists users, teams and apps.
func (s *Sim) fillActors(o obj, actors []actor) {
	users, teams, apps := []any{}, []obj{}, []obj{}
	for _, a := range actors {
		switch {
		case a.user != nil:
			users = append(users, s.renderUser(a.user))
		case a.team != nil:
			teams = append(teams, s.renderTeam(a.team))
		default:
			apps = append(apps, s.renderApp(a.app))
		}
	}
	o["users"], o["teams"], o["apps"] = users, teams, apps
}

// renderHookProtection is the rule in branch_protection_rule events: no allowances at all.
func (s *Sim) renderHookProtection(r *repo, p *protection) obj {
	level := func(on bool) string {
		switch {
		case !on:
			return "off"
		case p.enforceAdmins:
			return "everyone"
		}
		return "non_admins"
	}
	contexts := []string{}
	for _, c := range p.checks {
		contexts = append(contexts, c.context)
	}
	return obj{"id": p.id, "repository_id": r.id, "name": p.pattern, "created_at": stamp(p.createdAt), "updated_at": stamp(p.updatedAt),
		"pull_request_reviews_enforcement_level": level(p.requireReviews), "required_approving_review_count": p.approvals, "dismiss_stale_reviews_on_push": p.dismissStale,
		"require_code_owner_review": p.codeOwners, "authorized_dismissal_actors_only": false, "ignore_approvals_from_contributors": false, "required_status_checks": contexts,
		"required_status_checks_enforcement_level": level(p.requireChecks), "strict_required_status_checks_policy": p.strict,
		"signature_requirement_enforcement_level": level(p.signatures), "linear_history_requirement_enforcement_level": level(p.linearHistory),
		"admin_enforced": p.enforceAdmins, "create_protected": false, "allow_force_pushes_enforcement_level": level(p.allowForcePushes), "allow_deletions_enforcement_level": level(p.allowDeletions),
		"merge_queue_enforcement_level": "off", "required_deployments_enforcement_level": "off", "required_conversation_resolution_level": level(p.conversations),
		"authorized_actors_only": p.restrictPushes, "authorized_actor_names": []string{}, "require_last_push_approval": p.lastPushApproval, "lock_branch_enforcement_level": level(p.lockBranch)}
}
