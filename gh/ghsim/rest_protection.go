package ghsim

// listBranchRules lists the active rules of every level. The branch need not exist.
func listBranchRules(c *call) (*answer, error) {
	rules := c.s.branchRules(c.repo, c.params["branch"])
	return &answer{body: render(page(c, rules), renderEffectiveRule)}, nil
}

// listRulesets: includes_parents is true unless said otherwise.
func listRulesets(c *call) (*answer, error) {
	return &answer{body: render(page(c, c.visibleRulesets()), c.s.renderRulesetSummary)}, nil
}

func (c *call) visibleRulesets() []*ruleset {
	if c.query.Get("includes_parents") == "false" {
		return c.repo.rulesets
	}
	return c.s.rulesetsFor(c.repo)
}

func getRuleset(c *call) (*answer, error) {
	for _, rs := range c.visibleRulesets() {
		if rs.id != c.number("ruleset_id") {
			continue
		}
		o := c.s.renderRuleset(c.viewer, rs)
		o["current_user_can_bypass"] = "never"
		if c.viewer.user != nil {
			if mode := c.s.bypasses(rs, c.repo, c.viewer.user); mode != "" {
				o["current_user_can_bypass"] = canBypass(mode)
			}
		}
		return &answer{body: o}, nil
	}
	return nil, errNotFound
}

// canBypass is how current_user_can_bypass calls a mode.
func canBypass(mode string) string {
	if mode == "pull_request" {
		return "pull_requests_only"
	}
	return mode
}

func getProtection(c *call) (*answer, error) {
	branch := c.params["branch"]
	if c.repo.branch(branch) == "" {
		return nil, &apiError{status: 404, message: "Branch not found"}
	}
	p := c.s.protectionFor(c.repo, branch)
	if p == nil {
		return nil, &apiError{status: 404, message: "Branch not protected"}
	}
	return &answer{body: c.s.renderProtection(c.repo, branch, p)}, nil
}

// legacyRoles are how the field "permission" calls the roles that it does not know.
var legacyRoles = map[string]string{"maintain": "write", "triage": "read"}

// getPermission: "permission" is the legacy word, "role_name" the role.
func getPermission(c *call) (*answer, error) {
	a := c.s.account(c.params["username"])
	if a == nil {
		return nil, &apiError{status: 404, message: c.params["username"] + " is not a user"}
	}
	role := c.s.role(c.repo, a)
	permission := role
	if legacy, ok := legacyRoles[role]; ok {
		permission = legacy
	}
	user := c.s.renderUser(a).(obj)
	user["permissions"] = renderRole(role)
	user["role_name"] = c.s.roleName(c.repo, a)
	return &answer{body: obj{"permission": permission, "role_name": user["role_name"], "user": user}}, nil
}
