package gh

import "strings"

// wireNumbered is a pull request that is only mentioned.
type wireNumbered struct {
	Number int `json:"number"`
	Base   struct {
		Repo struct {
			ID int64 `json:"id"`
		} `json:"repo"`
	} `json:"base"`
}

// numbers are those of the event's own repository: GitHub also mentions the pull requests
// of other repositories that the commit is a head in.
func (d *decoder) numbers(what string, list []wireNumbered) []int {
	if len(list) > maxMentions {
		d.fail("%s has %d entries, at most %d", what, len(list), maxMentions)
		return nil
	}
	var numbers []int
	for _, w := range list {
		if other := w.Base.Repo.ID; other != 0 && d.event.Repository != nil && other != d.event.Repository.ID {
			continue
		}
		numbers = append(numbers, d.number(what+".number", w.Number))
	}
	return numbers
}

// subject reads what an action was about, for pull requests and issues.
func (d *decoder) subject() {
	var label struct {
		Name string `json:"name"`
	}
	if d.field("label", &label) {
		d.event.Label = d.text("label.name", label.Name, maxName)
	}
	d.event.Assignee = d.optionalAccount("assignee")
	d.event.RequestedReviewer = d.optionalAccount("requested_reviewer")
}

func (d *decoder) optionalAccount(name string) *Account {
	if a := d.accountField(name); a != (Account{}) {
		return &a
	}
	return nil
}

func (d *decoder) pullRequestEvent() {
	d.pullRequest()
	d.subject()
	pr := d.event.PullRequest
	if pr == nil {
		return
	}
	switch d.event.Action {
	case "synchronize":
		var before, after string
		d.field("before", &before)
		d.field("after", &after)
		pr.Before, pr.After = d.optionalSHA("before", before), d.optionalSHA("after", after)
	case "edited":
		var changes struct {
			Base struct {
				Ref struct {
					From string `json:"from"`
				} `json:"ref"`
			} `json:"base"`
		}
		if d.field("changes", &changes) {
			pr.BaseFrom = d.text("changes.base.ref.from", changes.Base.Ref.From, maxName)
		}
	}
}

func (d *decoder) pullRequest() {
	d.needRepository()
	var w struct {
		ID        int64        `json:"id"`
		Number    int          `json:"number"`
		State     string       `json:"state"`
		Merged    bool         `json:"merged"`
		Draft     bool         `json:"draft"`
		Head      wireHead     `json:"head"`
		Base      wireHead     `json:"base"`
		User      *wireAccount `json:"user"`
		UpdatedAt looseTime    `json:"updated_at"`
		MergedBy  *wireAccount `json:"merged_by"`
		MergeSHA  string       `json:"merge_commit_sha"`
	}
	if !d.need("pull_request", &w) {
		return
	}
	pr := &EventPullRequest{
		ID:        d.id("pull_request.id", w.ID),
		Number:    d.number("pull_request.number", w.Number),
		State:     d.word("pull_request.state", w.State),
		Merged:    w.Merged,
		Draft:     w.Draft,
		HeadSHA:   d.sha("pull_request.head.sha", w.Head.SHA),
		HeadRef:   d.name("pull_request.head.ref", w.Head.Ref),
		BaseRef:   d.name("pull_request.base.ref", w.Base.Ref),
		BaseSHA:   d.sha("pull_request.base.sha", w.Base.SHA),
		User:      d.account("pull_request.user", w.User),
		UpdatedAt: w.UpdatedAt.Time,
		MergedBy:  d.account("pull_request.merged_by", w.MergedBy),
	}
	if pr.State != "open" && pr.State != "closed" {
		d.fail("pull_request.state is %q", pr.State)
	}
	// Before the merge the field holds a trial merge, which is on no branch.
	if w.Merged {
		pr.MergeSHA = d.optionalSHA("pull_request.merge_commit_sha", w.MergeSHA)
	}
	d.event.PullRequest = pr
}

func (d *decoder) reviewEvent() {
	d.pullRequest()
	var w struct {
		ID          int64        `json:"id"`
		State       string       `json:"state"`
		CommitSHA   string       `json:"commit_id"`
		User        *wireAccount `json:"user"`
		SubmittedAt looseTime    `json:"submitted_at"`
	}
	if !d.need("review", &w) {
		return
	}
	if w.State == "" {
		d.fail("review.state is missing")
	}
	d.event.Review = &EventReview{
		ID:          d.id("review.id", w.ID),
		State:       strings.ToLower(d.word("review.state", w.State)),
		CommitSHA:   d.optionalSHA("review.commit_id", w.CommitSHA),
		User:        d.account("review.user", w.User),
		SubmittedAt: w.SubmittedAt.Time,
	}
}

func (d *decoder) comment() {
	d.needRepository()
	var issue struct {
		Number      int       `json:"number"`
		PullRequest *struct{} `json:"pull_request"`
	}
	var w struct {
		ID   int64        `json:"id"`
		User *wireAccount `json:"user"`
		App  *wireApp     `json:"performed_via_github_app"`
		Body string       `json:"body"`
	}
	if !d.need("issue", &issue) || !d.need("comment", &w) {
		return
	}
	d.event.Comment = &EventComment{
		ID:     d.id("comment.id", w.ID),
		Number: d.number("issue.number", issue.Number),
		OnPR:   issue.PullRequest != nil,
		User:   d.account("comment.user", w.User),
		AppID:  d.app("comment.performed_via_github_app", w.App).ID,
		Text:   w.Body,
	}
	if len(w.Body) > maxComment {
		d.event.Comment.Text = strings.ToValidUTF8(w.Body[:maxComment], "")
	}
}

func (d *decoder) issueEvent() {
	d.needRepository()
	d.subject()
	var w struct {
		ID        int64        `json:"id"`
		Number    int          `json:"number"`
		State     string       `json:"state"`
		User      *wireAccount `json:"user"`
		CreatedAt looseTime    `json:"created_at"`
	}
	if !d.need("issue", &w) {
		return
	}
	d.event.Issue = &EventIssue{
		ID:        d.id("issue.id", w.ID),
		Number:    d.number("issue.number", w.Number),
		State:     d.word("issue.state", w.State),
		User:      d.account("issue.user", w.User),
		CreatedAt: w.CreatedAt.Time,
	}
}

func (d *decoder) checkRun() {
	d.needRepository()
	var w struct {
		ID         int64    `json:"id"`
		Name       string   `json:"name"`
		HeadSHA    string   `json:"head_sha"`
		Status     string   `json:"status"`
		Conclusion string   `json:"conclusion"`
		ExternalID string   `json:"external_id"`
		App        *wireApp `json:"app"`
		Suite      struct {
			ID int64 `json:"id"`
		} `json:"check_suite"`
		PullRequests []wireNumbered `json:"pull_requests"`
	}
	if !d.need("check_run", &w) {
		return
	}
	d.event.CheckRun = &EventCheckRun{
		ID:           d.id("check_run.id", w.ID),
		Name:         d.name("check_run.name", w.Name),
		HeadSHA:      d.sha("check_run.head_sha", w.HeadSHA),
		Status:       d.word("check_run.status", w.Status),
		Conclusion:   d.word("check_run.conclusion", w.Conclusion),
		ExternalID:   d.text("check_run.external_id", w.ExternalID, maxExternalID),
		App:          d.app("check_run.app", w.App),
		SuiteID:      w.Suite.ID,
		PullRequests: d.numbers("check_run.pull_requests", w.PullRequests),
	}
	var button struct {
		Identifier string `json:"identifier"`
	}
	if d.field("requested_action", &button) {
		d.event.CheckRun.RequestedAction = d.text("requested_action.identifier", button.Identifier, maxName)
	}
}

func (d *decoder) checkSuite() {
	d.needRepository()
	var w struct {
		ID           int64          `json:"id"`
		HeadSHA      string         `json:"head_sha"`
		Status       string         `json:"status"`
		Conclusion   string         `json:"conclusion"`
		App          *wireApp       `json:"app"`
		PullRequests []wireNumbered `json:"pull_requests"`
	}
	if !d.need("check_suite", &w) {
		return
	}
	d.event.CheckSuite = &EventCheckSuite{
		ID:           d.id("check_suite.id", w.ID),
		HeadSHA:      d.sha("check_suite.head_sha", w.HeadSHA),
		Status:       d.word("check_suite.status", w.Status),
		Conclusion:   d.word("check_suite.conclusion", w.Conclusion),
		App:          d.app("check_suite.app", w.App),
		PullRequests: d.numbers("check_suite.pull_requests", w.PullRequests),
	}
}

func (d *decoder) status() {
	d.needRepository()
	var id int64
	var sha, context, state string
	if !d.need("id", &id) || !d.need("sha", &sha) || !d.need("context", &context) || !d.need("state", &state) {
		return
	}
	d.event.Status = &EventStatus{
		ID:      d.id("id", id),
		SHA:     d.sha("sha", sha),
		Context: d.text("context", context, maxName),
		State:   d.word("state", state),
	}
}

func (d *decoder) workflowRun() {
	d.needRepository()
	var w struct {
		ID              int64          `json:"id"`
		Attempt         int            `json:"run_attempt"`
		HeadSHA         string         `json:"head_sha"`
		Path            string         `json:"path"`
		Event           string         `json:"event"`
		Status          string         `json:"status"`
		Conclusion      string         `json:"conclusion"`
		Actor           *wireAccount   `json:"actor"`
		TriggeringActor *wireAccount   `json:"triggering_actor"`
		PullRequests    []wireNumbered `json:"pull_requests"`
	}
	if !d.need("workflow_run", &w) {
		return
	}
	d.event.WorkflowRun = &EventWorkflowRun{
		ID:              d.id("workflow_run.id", w.ID),
		Attempt:         w.Attempt,
		HeadSHA:         d.sha("workflow_run.head_sha", w.HeadSHA),
		Path:            workflowPath(d.text("workflow_run.path", w.Path, maxName)),
		Event:           d.word("workflow_run.event", w.Event),
		Status:          d.word("workflow_run.status", w.Status),
		Conclusion:      d.word("workflow_run.conclusion", w.Conclusion),
		Actor:           d.account("workflow_run.actor", w.Actor),
		TriggeringActor: d.account("workflow_run.triggering_actor", w.TriggeringActor),
		PullRequests:    d.numbers("workflow_run.pull_requests", w.PullRequests),
	}
}

func (d *decoder) mergeGroup() {
	d.needRepository()
	var w struct {
		HeadSHA string `json:"head_sha"`
		HeadRef string `json:"head_ref"`
		BaseRef string `json:"base_ref"`
		BaseSHA string `json:"base_sha"`
	}
	if !d.need("merge_group", &w) {
		return
	}
	var reason string
	d.field("reason", &reason)
	d.event.MergeGroup = &EventMergeGroup{
		HeadSHA: d.sha("merge_group.head_sha", w.HeadSHA),
		HeadRef: d.name("merge_group.head_ref", w.HeadRef),
		BaseRef: d.name("merge_group.base_ref", w.BaseRef),
		BaseSHA: d.sha("merge_group.base_sha", w.BaseSHA),
		Reason:  d.word("reason", reason),
	}
}

func (d *decoder) push() {
	d.needRepository()
	var ref, before, after string
	if !d.need("ref", &ref) || !d.need("before", &before) || !d.need("after", &after) {
		return
	}
	p := &EventPush{
		Ref:    d.name("ref", ref),
		Before: d.sha("before", before), // zeros when the ref is new
		After:  d.sha("after", after),   // zeros when it was deleted
	}
	d.field("forced", &p.Forced)
	d.field("created", &p.Created)
	d.field("deleted", &p.Deleted)
	d.event.Push = p
}

func (d *decoder) ruleset() {
	var w struct {
		ID          int64     `json:"id"`
		Name        string    `json:"name"`
		Enforcement string    `json:"enforcement"`
		UpdatedAt   looseTime `json:"updated_at"`
	}
	if !d.need("repository_ruleset", &w) {
		return
	}
	d.event.Ruleset = &EventRuleset{
		ID:          d.id("repository_ruleset.id", w.ID),
		Name:        d.text("repository_ruleset.name", w.Name, maxName),
		Enforcement: d.word("repository_ruleset.enforcement", w.Enforcement),
		UpdatedAt:   w.UpdatedAt.Time,
	}
}

// installation reads the account that the App is installed on, and the repositories.
func (d *decoder) installation() {
	var w struct {
		Account *wireOwner `json:"account"`
	}
	if !d.need("installation", &w) {
		return
	}
	if d.event.Organization.ID == 0 {
		d.event.Organization = d.account("installation.account", w.Account.wire())
	}
	d.id("installation.account.id", d.event.Organization.ID)
	for _, name := range []string{"repositories", "repositories_added", "repositories_removed"} {
		d.repositories(name)
	}
}

func (d *decoder) repositories(name string) {
	var list []wireRepository
	if !d.field(name, &list) {
		return
	}
	if len(list) > maxMentions {
		d.fail("%s has %d entries, at most %d", name, len(list), maxMentions)
		return
	}
	for _, w := range list {
		d.event.Repositories = append(d.event.Repositories, d.eventRepository(name, w))
	}
}

// installationTarget is sent when the account of an installation is renamed.
func (d *decoder) installationTarget() {
	if a := d.accountField("account"); a.ID != 0 {
		d.event.Organization = a
	}
}

func (d *decoder) needRepository() {
	if d.event.Repository == nil {
		d.fail("repository is missing")
	}
}
