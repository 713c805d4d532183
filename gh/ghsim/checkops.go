package ghsim

import "slices"

// suiteFor is the App's suite on the SHA that a run posted over the API joins: the oldest
// one, even when that is the suite of an Actions workflow. It is made when there is none.
func (s *Sim) suiteFor(r *repo, a *app, sha string, by *account) *checkSuite {
	for _, suite := range r.suitesAt[sha] {
		if suite.app == a {
			return suite
		}
	}
	return s.newSuite(r, a, sha, by)
}

func (s *Sim) newSuite(r *repo, a *app, sha string, by *account) *checkSuite {
	suite := &checkSuite{id: s.nextID(), app: a, headSHA: sha, creator: by, push: r.pushes[sha], createdAt: s.now()}
	suite.updatedAt = suite.createdAt
	suite.headBranch = r.branchAt(sha)
	r.suites = append(r.suites, suite)
	r.suitesAt[sha] = append(r.suitesAt[sha], suite)
	return suite
}

// branchAt is a branch of the repository with the SHA as its tip, "" when there is none,
// which is the case for heads of forks.
func (r *repo) branchAt(sha string) string {
	if u := r.pushes[sha]; u != nil && r.refs[u.ref] == sha {
		return branchName(u.ref)
	}
	return ""
}

// requestSuites opens a check suite for every App that listens for them, as GitHub does
// on each push.
func (s *Sim) requestSuites(r *repo, u *refUpdate) {
	if u.after == zeroSHA {
		return
	}
	for _, i := range s.installsOn(r) {
		if i.permissions["checks"] == "write" && slices.Contains(i.events, "check_suite") {
			suite := s.suiteFor(r, i.app, u.after, u.actor)
			s.emitSuite(r, suite, "requested", u.actor)
		}
	}
}

// status is the suite's status and conclusion, worked out from its runs: the newest run
// of each name.
func (r *repo) suiteState(suite *checkSuite) (status, conclusion string) {
	status, conclusion = "queued", ""
	worst := -1
	order := []string{"success", "neutral", "skipped", "stale", "cancelled", "action_required", "timed_out", "failure"}
	for _, c := range r.runsOf(suite, true) {
		if c.status != "completed" {
			return c.status, ""
		}
		if at := slices.Index(order, c.conclusion); at > worst {
			worst = at
		}
	}
	if worst < 0 {
		return status, conclusion
	}
	return "completed", order[worst]
}

// runsOf lists the runs of the suite, oldest first; latest: only the newest of each name.
func (r *repo) runsOf(suite *checkSuite, latest bool) []*checkRun {
	var list []*checkRun
	for _, c := range r.runsAt[suite.headSHA] {
		if c.suite != suite {
			continue
		}
		if latest {
			list = slices.DeleteFunc(list, func(x *checkRun) bool { return x.name == c.name })
		}
		list = append(list, c)
	}
	return list
}

// addRun puts a new check run into the suite and tells the Apps.
func (s *Sim) addRun(r *repo, suite *checkSuite, c *checkRun, sender *account) *checkRun {
	c.id, c.suite, c.headSHA = s.nextID(), suite, suite.headSHA
	if c.status == "" {
		c.status = "queued"
	}
	if c.startedAt.IsZero() {
		c.startedAt = s.now()
	}
	if c.status == "completed" && c.completedAt.IsZero() {
		c.completedAt = s.now()
	}
	r.runs = append(r.runs, c)
	r.runsAt[c.headSHA] = append(r.runsAt[c.headSHA], c)
	suite.updatedAt = s.now()
	s.emitRun(r, c, "created", sender, nil)
	if c.status == "completed" {
		s.runCompleted(r, c, sender)
	}
	return c
}

func (s *Sim) runCompleted(r *repo, c *checkRun, sender *account) {
	s.emitRun(r, c, "completed", sender, nil)
	if status, _ := r.suiteState(c.suite); status == "completed" {
		s.emitSuite(r, c.suite, "completed", sender)
	}
	s.settle(r)
}

// changeRun applies a PATCH. A completed run does not reopen: GitHub answers 200 and keeps
// status and conclusion, while name, output and details change.
func (s *Sim) changeRun(r *repo, c *checkRun, change func(*checkRun), sender *account) {
	was := *c
	change(c)
	if was.status == "completed" {
		c.status, c.completedAt = was.status, was.completedAt
		if c.conclusion == "" {
			c.conclusion = was.conclusion
		}
		return
	}
	if c.status == "completed" {
		if c.completedAt.IsZero() {
			c.completedAt = s.now()
		}
		s.runCompleted(r, c, sender)
	}
}

// rerequest asks an App to run a check again: GitHub tells only that App, and does not
// change the run itself.
func (s *Sim) rerequest(r *repo, c *checkRun, by *account) {
	s.emitRun(r, c, "rerequested", by, nil)
}

// addStatus records a commit status.
func (s *Sim) addStatus(r *repo, st *commitStatus) *commitStatus {
	st.id, st.createdAt = s.nextID(), s.now()
	r.statuses[st.sha] = append(r.statuses[st.sha], st)
	s.emitStatus(r, st)
	s.settle(r)
	return st
}

// run returns the check run with the id, nil when the repository has none.
func (r *repo) run(id int64) *checkRun {
	for i := len(r.runs) - 1; i >= 0; i-- {
		if r.runs[i].id == id {
			return r.runs[i]
		}
	}
	return nil
}
