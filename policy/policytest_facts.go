package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// The world of a test: a repository in which everything is as it should be.
const (
	testRepository   = "acme/example"
	testApp          = int64(1)
	firstTestPerson  = int64(1_000_001) // ids of people are made up by their names
	testHead         = "1111111111111111111111111111111111111111"
	testOlderHead    = "2222222222222222222222222222222222222222"
	testGoverningSHA = "3333333333333333333333333333333333333333"
)

// testWorld gives every name of a test its account.
type testWorld struct {
	cat   *Catalogue
	ids   map[string]int64
	noon  time.Time
	check TestCase
}

// account is an agent or automation of the catalogue, or a person of that name.
func (w *testWorld) account(name string) Actor {
	known := w.ids[name]
	if known == 0 {
		known = firstTestPerson + int64(len(w.ids))
		w.ids[name] = known
	}
	a := w.cat.Named(name)
	if a == nil {
		return Actor{ID: known, Login: name, Type: TypeUser}
	}
	account := Actor{ID: known, Login: name, Type: TypeBot}
	if len(a.Logins) > 0 {
		login, bot := strings.CutSuffix(a.Logins[0], botSuffix)
		if account.Login = login; !bot && len(a.IDs) == 0 {
			account.Type = TypeUser // known by its login alone
		}
	}
	if len(a.IDs) > 0 {
		account.ID = a.IDs[0]
	}
	return account
}

// misread says what a test names that is not what its writer takes it for: it would otherwise
// pass, and show something else than it says.
func (c *TestCase) misread(p *Policy, cat *Catalogue) (out []TestFailure) {
	names := []string{c.Author, c.AskedBy}
	for _, v := range c.Reviews {
		names = append(names, v.By)
		for _, team := range v.Teams {
			if !slices.ContainsFunc(p.NamedTeams(), func(t string) bool { return strings.EqualFold(t, team) }) {
				out = append(out, TestFailure{"reviews", team, "a team that the policy names"})
			}
		}
	}
	for _, name := range unique(names) {
		if a := cat.Named(name); a != nil && len(a.IDs) == 0 && len(a.Logins) == 0 {
			out = append(out, TestFailure{"accounts", name + ", which has no account of its own", "a person, or an agent that acts under its own account"})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(c.Validations)) {
		if !slices.ContainsFunc(wantedValidations(p), func(v RequiredValidation) bool { return v.ID == id }) {
			out = append(out, TestFailure{"validations", id, "the id of a validation that the policy requires"})
		}
	}
	return out
}

// facts are those of the change of a test.
func (c *TestCase) facts(p *Policy, cat *Catalogue) *Facts {
	w := &testWorld{cat: cat, ids: map[string]int64{}, noon: time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), check: *c}
	author := w.account(cmp.Or(c.Author, "author"))
	base := cmp.Or(c.Base, firstBranch(p))
	e, _ := p.Lane(base)
	f := &Facts{
		V: FactsVersion, CollectedAt: w.noon, EvaluatedAt: w.noon, App: App{ID: testApp, Slug: "countersign"},
		Repository: Repository{ID: 1, Name: testRepository, Owner: Actor{ID: 2, Login: "acme", Type: TypeOrganization}, Visibility: "private", DefaultBranch: base},
		Change: Change{
			ID: 1, Number: 1, Title: cmp.Or(c.Title, "A change"), Author: author, Labels: c.Labels, Draft: c.Draft, State: "open",
			BaseRef: base, BaseSHA: testGoverningSHA, GoverningRef: base, GoverningSHA: testGoverningSHA, HeadRef: "topic", HeadSHA: testHead,
			HeadRepository: testRepository, CreatedAt: w.noon.Add(-time.Hour), UpdatedAt: w.noon,
		},
		Pushes:      []Push{{Seq: 10, ReceivedAt: w.noon.Add(-time.Hour), After: testHead, Pusher: author}},
		Assignments: List[Assignment]{Complete: true},
		Issues:      &List[Issue]{Complete: true},
	}
	f.Change.Tickets = p.TicketsIn(f.Change.Title)
	if c.AskedBy != "" {
		f.Assignments.Items = []Assignment{{By: w.account(c.AskedBy), Assignee: author, At: w.noon.Add(-2 * time.Hour)}}
	}
	f.Commits = List[Commit]{Complete: true, Total: 1, Items: []Commit{{
		SHA: testHead, Headline: f.Change.Title, CoAuthorsComplete: true, Signature: Signature{State: "unsigned"},
		Author: Identity{Name: author.Login, Account: author}, Committer: Identity{Name: author.Login, Account: author},
	}}}
	f.Files = w.files()
	f.Reviews, f.Teams, f.Confirmations = w.reviews(base), w.teams(p), w.confirmations(base)
	f.Protection = w.protection(e, base, p)
	f.Validations = w.validations(p)
	return f
}

// firstBranch is the first branch that the policy enrols; wildcards become "x".
func firstBranch(p *Policy) string {
	for _, lane := range p.lanes() {
		for _, pattern := range lane.Branches {
			return strings.NewReplacer("**", "x", "*", "x", "?", "x").Replace(pattern)
		}
	}
	return "main"
}

// files are the changed files: "path", or "from -> to" for a rename.
func (w *testWorld) files() List[File] {
	out := List[File]{Complete: !w.check.FilesUnknown}
	names := w.check.Files
	if len(names) == 0 {
		names = []string{"README.md"}
	}
	for i, name := range names {
		file := File{Path: name, Status: "modified", Blob: testHead}
		if from, to, ok := strings.Cut(name, " -> "); ok {
			file = File{Path: to, Previous: from, Status: "renamed", Blob: testHead}
		}
		if i == 0 {
			file.Additions = w.check.Lines
		}
		out.Items = append(out.Items, file)
	}
	out.Total = len(out.Items)
	return out
}

func (w *testWorld) reviews(base string) List[Review] {
	out := List[Review]{Complete: true, Total: len(w.check.Reviews)}
	for i, v := range w.check.Reviews {
		state := map[string]string{saysApproves: reviewApproved, saysRequests: reviewChangesRequested, saysComments: reviewCommented}[v.Says]
		head := testHead
		if v.Stale {
			head = testOlderHead
		}
		at := w.noon.Add(-time.Minute)
		out.Items = append(out.Items, Review{
			ID: int64(100 + i), Actor: w.account(v.By), State: state, CommitSHA: head, SubmittedAt: at, Permission: v.Role, PermissionThen: v.Role,
			Received: &ReviewReceipt{Seq: int64(20 + i), ReceivedAt: at, State: state, CommitSHA: head, HeadSHA: head, BaseRef: base},
		})
	}
	return out
}

// confirmations are by everybody who reviewed, but for those of whom the test says otherwise.
func (w *testWorld) confirmations(base string) (out []Confirmation) {
	for i, v := range w.check.Reviews {
		if !v.Unconfirmed {
			out = append(out, Confirmation{Seq: int64(1000 + i), ReceivedAt: w.noon, By: w.account(v.By), CommitSHA: testHead, BaseRef: base, HeadSHA: testHead})
		}
	}
	return out
}

// teams are those that the policy names, with the reviewers that the test puts into them.
func (w *testWorld) teams(p *Policy) (out []Team) {
	for _, name := range p.NamedTeams() {
		team := Team{Name: name, Members: List[Actor]{Complete: true}}
		for _, v := range w.check.Reviews {
			if slices.ContainsFunc(v.Teams, func(t string) bool { return strings.EqualFold(t, name) }) {
				team.Members.Items = append(team.Members.Items, w.account(v.By))
			}
		}
		out = append(out, team)
	}
	return out
}

// testCheck is what a branch requires where the policy names no validation.
const testCheck = "tests"

// protection is classic branch protection without a hole.
func (w *testWorld) protection(e Enrolment, base string, p *Policy) Protection {
	out := Protection{Ref: base, Readable: true, Rules: List[Rule]{Complete: true}}
	if w.check.Unprotected {
		return out
	}
	out.Classic = &ClassicProtection{
		Pattern: base, AdminsBound: true, RequiresReviews: true, RequiredReviews: 1, RequiresChecks: true, AllowancesComplete: true,
		RequiredChecks: []RequiredCheck{{Name: EnforceName(e.Lane), AppID: testApp}},
	}
	if len(p.Validation.Required) == 0 {
		out.Classic.RequiredChecks = append(out.Classic.RequiredChecks, RequiredCheck{Name: testCheck, AppID: actionsAppID})
	}
	out.Bypass = []Bypass{{Source: "classic branch protection", State: BypassNone}}
	return out
}

// wantedValidations are those that the policy requires, or the one that the branch of a test does.
func wantedValidations(p *Policy) []RequiredValidation {
	if len(p.Validation.Required) > 0 {
		return p.Validation.Required
	}
	return []RequiredValidation{{ID: testCheck, App: actionsSlug, Workflow: ".github/workflows/ci.yml", Job: testCheck}}
}

// validations are one run of everything that is asked for, successful unless the test says
// otherwise.
func (w *testWorld) validations(p *Policy) List[Validation] {
	out := List[Validation]{Complete: true}
	for i, v := range wantedValidations(p) {
		state := cmp.Or(w.check.Validations[v.ID], stateSuccess)
		if state != stateMissing {
			out.Items = append(out.Items, w.validation(&v, int64(500+i), state))
		}
	}
	out.Total = len(out.Items)
	return out
}

func (w *testWorld) validation(v *RequiredValidation, id int64, state string) Validation {
	out := Validation{
		Kind: KindCheckRun, ID: id, Name: v.Check, App: App{ID: v.AppID, Slug: v.App}, HeadSHA: testHead, Status: statusCompleted, Conclusion: state,
		StartedAt: w.noon.Add(-30 * time.Minute), CompletedAt: w.noon.Add(-20 * time.Minute),
	}
	if state == stateRunning {
		out.Status, out.Conclusion = statusInProgress, ""
	}
	switch {
	case v.Status != "":
		login, bot := strings.CutSuffix(v.Creator, botSuffix)
		out.Kind, out.Name, out.App, out.Creator = KindStatus, v.Status, App{}, Actor{ID: 9000 + id, Login: login, Type: TypeUser}
		if bot {
			out.Creator.Type = TypeBot
		}
	case v.actions():
		event := cmp.Or(v.Event, "pull_request")
		out.Name, out.App = v.Job, App{ID: actionsAppID, Slug: actionsSlug}
		out.Job = &Job{ID: id, Name: v.Job, RunID: id, Attempt: 1, Repository: cmp.Or(v.Repository, testRepository), Path: v.Workflow, Event: event, Steps: 3}
	}
	return out
}
