package contract_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim/contract"
)

// TestEveryRequestOfOurClient calls every method of the client that the product uses,
// over the story. GitHub's description allows every request that comes out of it.
func TestEveryRequestOfOurClient(t *testing.T) {
	sim := start(t)
	st := tell(t, sim, "")
	recorder := contract.Check(t, sim)
	connection := st.connect(t)
	ctx := t.Context()
	if self, err := connection.Self(ctx); err != nil || self.ID != st.gate.ID() {
		t.Errorf("Self: got %+v, %v", self, err)
	}
	_, err := connection.Registration(ctx)
	_, err2 := connection.HookConfig(ctx)
	if err := errors.Join(err, err2, count(connection.Installations(ctx))); err != nil {
		t.Errorf("as the App: %v", err)
	}
	sweepLost(t, st, connection)
	signIn, token := st.signIn(t, connection)
	st.me, err = connection.Person(token.Access)
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range clientCalls(st) {
		client, err := connection.Installation(st.installation.ID(), st.useOf(name))
		if err == nil {
			err = call(ctx, client)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := signIn.Revoke(ctx, token); err != nil {
		t.Errorf("Revoke: %v", err)
	}
	// A method that is added to the client has to be added here too.
	for method := range reflect.TypeFor[*gh.Client]().Methods() {
		if clientCalls(st)[method.Name] == nil {
			t.Errorf("the method %s is not called here", method.Name)
		}
	}
	for route, counter := range sim.RequestCounts() {
		if strings.Contains(route, "no such route") || counter.Failed > 0 && !strings.Contains(route, "/contents/") {
			t.Errorf("%s: %+v", route, counter)
		}
	}
	if exchanges, _ := recorder.Compared(); exchanges < 19 {
		t.Errorf("only %d exchanges were compared", exchanges)
	}
}

// connect is our App's connection.
func (st *story) connect(t *testing.T) *gh.Connection {
	t.Helper()
	key, err := st.gate.PrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := gh.Connect(gh.Settings{V3URL: st.sim.URL() + "/api/v3/", V4URL: st.sim.URL() + "/api/graphql", AppID: st.gate.ID(), PrivateKey: key})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// signIn signs alice in with our App.
func (st *story) signIn(t *testing.T, connection *gh.Connection) (*gh.SignIn, gh.PersonToken) {
	t.Helper()
	const callback, verifier = "http://127.0.0.1:1/callback", "a-verifier-is-43-to-128-characters-long-0123456789"
	id, secret := st.gate.SignsIn(callback)
	signIn, err := connection.SignIn(gh.OAuthApp{ClientID: id, ClientSecret: secret, RedirectURL: callback}, st.sim.URL())
	if err != nil {
		t.Fatal(err)
	}
	st.sim.SignedIn(st.alice)
	browser := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(signIn.URL("state", verifier))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	token, err := signIn.Exchange(t.Context(), back.Query().Get("code"), verifier)
	if err != nil {
		t.Fatal(err)
	}
	return signIn, token
}

// sweepLost lists what was not delivered and asks for it again.
func sweepLost(t *testing.T, st *story, connection *gh.Connection) {
	t.Helper()
	st.gate.Hook("http://127.0.0.1:1/", "it's a secret")
	st.repo.OpenIssue(st.alice, "Nobody hears of it", "…")
	st.gate.Hook("", "")
	if err := st.sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked := 0
	err := connection.Deliveries(t.Context(), time.Now().Add(-time.Hour), func(page []gh.DeliveryAttempt) error {
		asked++
		return connection.Redeliver(t.Context(), page[0].ID)
	})
	if err := errors.Join(err, some(asked)); err != nil {
		t.Errorf("Deliveries, Redeliver: %v", err)
	}
}

// owner is the client of an owner's own token.
func (st *story) owner() (*gh.Client, error) {
	return gh.PersonAt(gh.Settings{V3URL: st.sim.URL() + "/api/v3/", V4URL: st.sim.URL() + "/api/graphql"}, st.alice.Token())
}

// useOf is what the server calls a method of the client for.
func (st *story) useOf(method string) gh.Use {
	switch method {
	case "CreateCheckRun", "UpdateCheckRun", "CheckRunsNamed":
		return gh.ToPublish(st.repo.ID())
	case "Issue", "IssuesLabelled", "IssueComments", "Closing", "CreateIssue", "CloseIssue", "ReopenIssue",
		"Comment", "AddLabel", "RemoveLabel", "Assign", "Counted":
		return gh.ToKeepIssues(st.repo.ID())
	case "InstalledRepositories", "OrganisationRepositories", "PrivateRepositories":
		return gh.ToList()
	case "Repository":
		return gh.ToFind()
	case "PullRequestStack": // of another repository
		return gh.ToWatch()
	case "TeamMembers":
		return gh.ToReadTeams()
	}
	return gh.ToRead(st.repo.ID())
}

// clientCalls calls each method of the client, by its name. An answer that has nothing in
// it is an error, since it would say nothing.
func clientCalls(st *story) map[string]func(context.Context, *gh.Client) error {
	repo := gh.Repo{Owner: "acme", Name: "shop"}
	number, head := st.first.Number(), st.first.HeadSHA()
	write := gh.CheckRunWrite{
		Name: "countersign", HeadSHA: head, ExternalID: "1f", DetailsURL: "https://example.com/1f", Status: "in_progress",
		Title: "Waiting for tests", Summary: "…", Text: "…",
		Annotations: []gh.Annotation{{Path: ".github/countersign.yml", Line: 3, Column: 5, Level: "failure", Message: "…"}},
	}
	return map[string]func(context.Context, *gh.Client) error{
		"GraphQL": func(ctx context.Context, c *gh.Client) error {
			var into struct{ RateLimit struct{ Cost int } }
			return c.GraphQL(ctx, "{ rateLimit { cost } }", nil, &into)
		},
		"PullRequestStack": func(ctx context.Context, c *gh.Client) error {
			base, err := c.PullRequestStack(ctx, gh.Repo{Owner: "acme", Name: "laboratory"}, 6)
			return errors.Join(err, some(len(base)))
		},
		"PullRequestFiles":   func(ctx context.Context, c *gh.Client) error { return count(c.PullRequestFiles(ctx, repo, number)) },
		"PullRequestCommits": func(ctx context.Context, c *gh.Client) error { return count(c.PullRequestCommits(ctx, repo, number)) },
		"CheckRuns":          func(ctx context.Context, c *gh.Client) error { return count(c.CheckRuns(ctx, repo, head)) },
		"CheckRunsNamed": func(ctx context.Context, c *gh.Client) error {
			return count(c.CheckRunsNamed(ctx, repo, head, "countersign", st.gate.ID()))
		},
		"Statuses":     func(ctx context.Context, c *gh.Client) error { return count(c.Statuses(ctx, repo, head)) },
		"WorkflowRuns": func(ctx context.Context, c *gh.Client) error { return count(c.WorkflowRuns(ctx, repo, head)) },
		"Jobs":         func(ctx context.Context, c *gh.Client) error { return count(c.Jobs(ctx, repo, st.workflow.ID())) },
		"Content": func(ctx context.Context, c *gh.Client) error {
			_, gone := c.Content(ctx, repo, "gone", "main")
			if !errors.Is(gone, gh.ErrNotFound) {
				return fmt.Errorf("a file that is not there: got %v", gone)
			}
			content, err := c.Content(ctx, repo, ".github/countersign.yml", "refs/heads/main")
			return errors.Join(err, some(len(content.Bytes)))
		},
		"Branches":    func(ctx context.Context, c *gh.Client) error { return count(c.Branches(ctx, repo)) },
		"BranchRules": func(ctx context.Context, c *gh.Client) error { return count(c.BranchRules(ctx, repo, "main")) },
		"Ruleset": func(ctx context.Context, c *gh.Client) error {
			if _, err := c.Ruleset(ctx, repo, st.ruleset.ID()); err != nil {
				return err
			}
			person, err := st.owner()
			if err != nil {
				return err
			}
			set, err := person.Ruleset(ctx, repo, st.ruleset.ID())
			return errors.Join(err, some(len(set.BypassActors)))
		},
		"RulesetNamed": func(ctx context.Context, _ *gh.Client) error {
			c, err := st.owner()
			if err != nil {
				return err
			}
			_, err = c.RulesetNamed(ctx, gh.RulesetLevel{Repo: repo}, "gate")
			_, inOrg := c.RulesetNamed(ctx, gh.RulesetLevel{Organisation: "acme"}, "everywhere")
			return errors.Join(err, inOrg)
		},
		"WriteRuleset": func(ctx context.Context, _ *gh.Client) error {
			c, err := st.owner()
			if err != nil {
				return err
			}
			set, err := c.RulesetNamed(ctx, gh.RulesetLevel{Repo: repo}, "gate")
			if err != nil {
				return err
			}
			if set, err = c.WriteRuleset(ctx, gh.RulesetLevel{Repo: repo}, set); err != nil {
				return err
			}
			set.ID, set.Name = 0, "another"
			_, err = c.WriteRuleset(ctx, gh.RulesetLevel{Repo: repo}, set)
			return err
		},
		"Permission": func(ctx context.Context, c *gh.Client) error {
			p, err := c.Permission(ctx, repo, "bob")
			return errors.Join(err, some(len(p.Role)))
		},
		"TeamMembers": func(ctx context.Context, c *gh.Client) error { return count(c.TeamMembers(ctx, "acme", "reviewers")) },
		"OwnerView": func(ctx context.Context, _ *gh.Client) error {
			person, err := st.owner()
			if err != nil {
				return err
			}
			view, err := person.OwnerView(ctx, repo, "")
			return errors.Join(err, some(len(view.Rulesets)))
		},
		"PersonView": func(ctx context.Context, _ *gh.Client) error {
			person, err := st.owner()
			if err != nil {
				return err
			}
			view, err := person.PersonView(ctx, repo)
			if err == nil && !view.CanWrite {
				err = errors.New("alice may not write")
			}
			return err
		},
		"Whoami": func(ctx context.Context, _ *gh.Client) error {
			who, err := st.me.Whoami(ctx)
			return errors.Join(err, some(len(who.Login)))
		},
		"VisibleInstallations": func(ctx context.Context, _ *gh.Client) error { return count(st.me.VisibleInstallations(ctx)) },
		"VisibleRepositories": func(ctx context.Context, _ *gh.Client) error {
			return count(st.me.VisibleRepositories(ctx, st.installation.ID()))
		},
		"OwnsOrganization": func(ctx context.Context, _ *gh.Client) error {
			acme := gh.Account{ID: st.sim.Org("acme").ID(), Login: "acme", Type: "Organization"}
			owns, err := st.me.OwnsOrganization(ctx, gh.Account{ID: st.alice.ID(), Login: "alice", Type: "User"}, acme)
			if err == nil && !owns {
				err = errors.New("alice does not own acme")
			}
			return err
		},
		"Repository": func(ctx context.Context, c *gh.Client) error {
			now, err := c.Repository(ctx, repo)
			return errors.Join(err, some(len(now.DefaultBranch)))
		},
		"BranchTip": func(ctx context.Context, c *gh.Client) error {
			if _, gone := c.BranchTip(ctx, repo, "gone"); !errors.Is(gone, gh.ErrNotFound) {
				return fmt.Errorf("a branch that is not there: got %v", gone)
			}
			tip, err := c.BranchTip(ctx, repo, "main")
			return errors.Join(err, some(len(tip)))
		},
		"MergedPull": func(ctx context.Context, c *gh.Client) error {
			if _, gone := c.MergedPull(ctx, repo, 999_999); !errors.Is(gone, gh.ErrNotFound) {
				return fmt.Errorf("a pull request that is not there: got %v", gone)
			}
			pr, err := c.MergedPull(ctx, repo, number)
			return errors.Join(err, some(len(pr.Reviews)))
		},
		"MergedPulls": func(ctx context.Context, c *gh.Client) error {
			now, err := c.Repository(ctx, repo)
			if err != nil {
				return err
			}
			if _, other := c.MergedPulls(ctx, repo, now.ID+1, time.Time{}); !errors.Is(other, gh.ErrNotFound) {
				return fmt.Errorf("another repository of that name: got %v", other)
			}
			_, err = c.MergedPulls(ctx, repo, now.ID, time.Time{}) // none was merged here
			return err
		},
		"InstalledRepositories": func(ctx context.Context, c *gh.Client) error {
			installed, selection, err := c.InstalledRepositories(ctx)
			return errors.Join(err, some(len(installed)), some(len(selection)))
		},
		"OrganisationRepositories": func(ctx context.Context, c *gh.Client) error {
			return count(c.OrganisationRepositories(ctx, "acme"))
		},
		"PrivateRepositories": func(ctx context.Context, c *gh.Client) error {
			n, err := c.PrivateRepositories(ctx, "acme")
			return errors.Join(err, some(n))
		},
		"RefActivity": func(ctx context.Context, c *gh.Client) error {
			updates, _, err := c.RefActivity(ctx, repo, "main", 0)
			return errors.Join(err, some(len(updates)))
		},
		"RefActivityPage": func(ctx context.Context, c *gh.Client) error {
			updates, _, err := c.RefActivityPage(ctx, repo, "main", "")
			return errors.Join(err, some(len(updates)))
		},
		"OldestUpdate": func(ctx context.Context, c *gh.Client) error {
			u, err := c.OldestUpdate(ctx, repo)
			return errors.Join(err, some(int(u.ID)))
		},
		"DeletedBranches": func(ctx context.Context, c *gh.Client) error {
			updates, err := c.DeletedBranches(ctx, repo, "bob", time.Time{})
			return errors.Join(err, some(len(updates)))
		},
		"Compare": func(ctx context.Context, c *gh.Client) error {
			updates, _, err := c.RefActivity(ctx, repo, "main", 0)
			if err != nil || len(updates) == 0 {
				return errors.Join(err, some(len(updates)))
			}
			compared, err := c.Compare(ctx, repo, updates[0].After, head)
			return errors.Join(err, some(len(compared.Files)))
		},
		"CommitPulls": func(ctx context.Context, c *gh.Client) error { return count(c.CommitPulls(ctx, repo, head)) },
		"CreateCheckRun": func(ctx context.Context, c *gh.Client) error {
			_, err := c.CreateCheckRun(ctx, repo, write)
			return err
		},
		"Issue": func(ctx context.Context, c *gh.Client) error {
			issue, err := c.Issue(ctx, repo, st.issue.Number())
			return errors.Join(err, some(len(issue.ClosedBy.Login)))
		},
		"IssuesLabelled": func(ctx context.Context, c *gh.Client) error {
			return count(c.IssuesLabelled(ctx, repo, "exception", time.Now().Add(-time.Hour)))
		},
		"IssueComments": func(ctx context.Context, c *gh.Client) error {
			return count(c.IssueComments(ctx, repo, st.issue.Number(), time.Now().Add(-time.Hour)))
		},
		"Closing": func(ctx context.Context, c *gh.Client) error {
			closing, err := c.Closing(ctx, repo, st.issue.Number())
			return errors.Join(err, some(int(closing.At.Unix())))
		},
		"CreateIssue": func(ctx context.Context, c *gh.Client) error {
			opened, err := c.CreateIssue(ctx, repo, "An exception", "…", []string{"exception"})
			return errors.Join(err, some(opened))
		},
		"Comment":  func(ctx context.Context, c *gh.Client) error { return c.Comment(ctx, repo, number, "…") },
		"AddLabel": func(ctx context.Context, c *gh.Client) error { return c.AddLabel(ctx, repo, number, "escalated") },
		"Assign":   func(ctx context.Context, c *gh.Client) error { return c.Assign(ctx, repo, number, "bob") },
		"CloseIssue": func(ctx context.Context, c *gh.Client) error {
			opened, err := c.CreateIssue(ctx, repo, "An exception", "…", nil)
			return errors.Join(err, c.CloseIssue(ctx, repo, opened))
		},
		"ReopenIssue": func(ctx context.Context, c *gh.Client) error {
			opened, err := c.CreateIssue(ctx, repo, "Another", "…", nil)
			return errors.Join(err, c.CloseIssue(ctx, repo, opened), c.ReopenIssue(ctx, repo, opened))
		},
		"RemoveLabel": func(ctx context.Context, c *gh.Client) error {
			return errors.Join(c.AddLabel(ctx, repo, number, "late"), c.RemoveLabel(ctx, repo, number, "late"))
		},
		"Background": func(ctx context.Context, c *gh.Client) error {
			now, err := c.Background().Repository(ctx, repo)
			return errors.Join(err, some(len(now.DefaultBranch)))
		},
		"Counted": func(ctx context.Context, c *gh.Client) error {
			n := 0
			err := c.Counted(func(context.Context) error { n++; return nil }).Comment(ctx, repo, number, "…")
			return errors.Join(err, some(n))
		},
		"UpdateCheckRun": func(ctx context.Context, c *gh.Client) error {
			run, err := c.CreateCheckRun(ctx, repo, write)
			if err != nil {
				return err
			}
			done := write
			done.Status, done.Conclusion, done.CompletedAt = "completed", "failure", time.Now()
			done.Actions = []gh.CheckRunAction{{Label: "Re-evaluate", Description: "Look at the change again", Identifier: "re-evaluate"}}
			_, err = c.UpdateCheckRun(ctx, repo, run.ID, done)
			return err
		},
	}
}

// count says whether a list was read and has something in it.
func count[T any](list []T, err error) error { return errors.Join(err, some(len(list))) }

func some(n int) error {
	if n == 0 {
		return errors.New("nothing came back")
	}
	return nil
}
