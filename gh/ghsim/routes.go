package ghsim

// table lists the whole REST surface. Routes with literal segments come before those with
// parameters in the same place.
func (s *Sim) table() []*route {
	get := func(pattern, permission string, h func(*call) (*answer, error)) *route {
		return &route{method: "GET", pattern: pattern, permission: permission, level: "read", handle: h}
	}
	write := func(method, pattern, permission string, h func(*call) (*answer, error)) *route {
		return &route{method: method, pattern: pattern, permission: permission, level: "write", handle: h}
	}
	// Who may write to pull requests may talk on them without issues: write.
	talk := func(method, pattern string, h func(*call) (*answer, error)) *route {
		return &route{method: method, pattern: pattern, permission: "issues", onPulls: "pull_requests", level: "write", handle: h}
	}
	const repo = "/repos/{owner}/{repo}"
	return []*route{
		// the App itself
		get("/app", "jwt", getApp),
		get("/app/installations", "jwt", listAppInstallations),
		get("/app/installations/{installation_id}", "jwt", getAppInstallation),
		write("POST", "/app/installations/{installation_id}/access_tokens", "jwt", createToken),
		{method: "POST", pattern: "/app-manifests/{code}/conversions", level: "read", handle: convertManifest}, // by anybody who has the code
		get("/app/hook/config", "jwt", getHookConfig),
		get("/app/hook/deliveries", "jwt", listDeliveries),
		get("/app/hook/deliveries/{delivery_id}", "jwt", getDelivery),
		write("POST", "/app/hook/deliveries/{delivery_id}/attempts", "jwt", redeliver),
		get("/installation/repositories", "signed-in", listInstallationRepos),
		get("/user", "signed-in", getUser),
		get("/user/installations", "signed-in", listUserInstallations),
		get("/user/installations/{installation_id}/repositories", "signed-in", listUserRepos),
		write("DELETE", "/applications/{client_id}/token", "client", endUserToken),
		get("/user/memberships/orgs/{org}", "signed-in", getMembership),
		get("/rate_limit", "", getRateLimit),
		get("/repos/{owner}/{repo}/installation", "jwt", getRepoInstallation),
		get("/orgs/{org}/installation", "jwt", getOrgInstallation),
		// organisations
		get("/orgs/{org}", "", getOrg),
		get("/orgs/{org}/repos", "", listOrgRepos),
		get("/orgs/{org}/installations", "organization_administration", listOrgInstallations),
		get("/orgs/{org}/teams/{team_slug}/members", "members", listTeamMembers),
		get("/orgs/{org}/rulesets", "organization_administration", listOrgRulesets),
		write("POST", "/orgs/{org}/rulesets", "organization_administration", createRuleset),
		write("GET", "/orgs/{org}/rulesets/{ruleset_id}", "organization_administration", getOrgRuleset),
		write("PUT", "/orgs/{org}/rulesets/{ruleset_id}", "organization_administration", updateRuleset),
		// pull requests
		get(repo, "metadata", getRepo),
		get(repo+"/pulls", "pull_requests", listPulls),
		write("POST", repo+"/pulls", "pull_requests", createPull),
		get(repo+"/pulls/{number}", "pull_requests", getPull),
		write("PATCH", repo+"/pulls/{number}", "pull_requests", updatePull),
		get(repo+"/pulls/{number}/files", "pull_requests", listFiles),
		get(repo+"/pulls/{number}/commits", "pull_requests", listCommits),
		get(repo+"/pulls/{number}/reviews", "pull_requests", listReviews),
		write("POST", repo+"/pulls/{number}/reviews", "pull_requests", createReview),
		write("PUT", repo+"/pulls/{number}/merge", "contents", mergePull),
		// issues, and pull requests as issues
		get(repo+"/issues", "issues", listIssues),
		write("POST", repo+"/issues", "issues", createIssue),
		get(repo+"/issues/{number}", "issues", getIssue),
		write("PATCH", repo+"/issues/{number}", "issues", updateIssue),
		get(repo+"/issues/{number}/comments", "issues", listComments),
		talk("POST", repo+"/issues/{number}/comments", createComment),
		talk("POST", repo+"/issues/{number}/labels", addLabels),
		talk("DELETE", repo+"/issues/{number}/labels/{name}", removeLabel),
		talk("POST", repo+"/issues/{number}/assignees", addAssignees),
		// commits and contents
		get(repo+"/commits/{sha}/check-runs", "checks", listRuns),
		get(repo+"/commits/{sha}/statuses", "statuses", listStatuses),
		get(repo+"/commits/{sha}/pulls", "pull_requests", listCommitPulls),
		get(repo+"/commits/{sha...}", "contents", getCommit),
		get(repo+"/compare/{basehead...}", "contents", compareCommits),
		get(repo+"/contents/{path...}", "contents", getContent),
		get(repo+"/activity", "contents", listActivity),
		// checks
		write("POST", repo+"/check-runs", "checks", createRun),
		get(repo+"/check-runs/{check_run_id}", "checks", getRun),
		write("PATCH", repo+"/check-runs/{check_run_id}", "checks", updateRun),
		write("POST", repo+"/check-runs/{check_run_id}/rerequest", "checks", rerequestRun),
		write("POST", repo+"/statuses/{sha}", "statuses", createStatus),
		// Actions
		get(repo+"/actions/runs", "actions", listWorkflowRuns),
		get(repo+"/actions/runs/{run_id}", "actions", getWorkflowRun),
		get(repo+"/actions/runs/{run_id}/jobs", "actions", listJobs),
		get(repo+"/actions/jobs/{job_id}", "actions", getJob),
		// protection
		get(repo+"/rules/branches/{branch...}", "metadata", listBranchRules),
		get(repo+"/rulesets", "metadata", listRulesets),
		write("POST", repo+"/rulesets", "administration", createRuleset),
		get(repo+"/rulesets/{ruleset_id}", "metadata", getRuleset),
		write("PUT", repo+"/rulesets/{ruleset_id}", "administration", updateRuleset),
		get(repo+"/branches/{branch...}/protection", "administration", getProtection),
		get(repo+"/branches", "contents", listBranches),
		get(repo+"/branches/{branch...}", "contents", getBranch),
		get(repo+"/collaborators/{username}/permission", "metadata", getPermission),
	}
}
