package facts

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// secondReading is what can only be asked once the first reading is there: the jobs
// behind the workflow runs, the bypass lists of the rulesets, the roles of reviewers,
// the members of teams.
type secondReading struct {
	mu sync.Mutex
	// jobs are every attempt's jobs by id, which is also the id of their check run.
	jobs     map[int64]gh.Job
	jobsErr  error
	rulesets map[int64]gh.Ruleset
	// rulesetErrs say why a ruleset could not be read.
	rulesetErrs map[int64]error
	// roles are reviewers' roles by account id.
	roles map[int64]string
	teams []policy.Team
	// workflows are files that did not come from the governing base, by path.
	workflows []policy.WorkflowFile
}

func newSecondReading() *secondReading {
	return &secondReading{jobs: map[int64]gh.Job{}, rulesets: map[int64]gh.Ruleset{}, rulesetErrs: map[int64]error{}, roles: map[int64]string{}}
}

func readSecond(ctx context.Context, client *gh.Client, req Request, first *firstReading, pol *policy.Policy) (*secondReading, error) {
	s := newSecondReading()
	group, ctx := errgroup.WithContext(ctx)
	for _, run := range first.runs {
		group.Go(func() error { return s.readJobs(ctx, client, req, run.ID) })
	}
	for _, id := range rulesetIDs(first.rules) {
		group.Go(func() error { return s.readRuleset(ctx, client, req.Repo, id) })
	}
	for _, who := range reviewers(first) {
		group.Go(func() error { return s.readRole(ctx, client, req, who) })
	}
	names := pol.NamedTeams()
	s.teams = make([]policy.Team, len(names))
	for i, name := range names {
		group.Go(func() (err error) {
			s.teams[i], err = readTeam(ctx, client, name)
			return err
		})
	}
	paths := workflowsFromHead(first)
	s.workflows = make([]policy.WorkflowFile, len(paths))
	for i, path := range paths {
		s.workflows[i].Path = path
		group.Go(func() (err error) {
			s.workflows[i].HeadBlob, err = blobOf(ctx, client, req, path, first.aim().head)
			return err
		})
		group.Go(func() (err error) {
			s.workflows[i].BaseBlob, err = blobOf(ctx, client, req, path, "refs/heads/"+first.aim().base)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return s, nil
}

// workflowsFromHead are the workflow files of runs that did not take them from the merge
// with the governing base, sorted.
func workflowsFromHead(first *firstReading) []string {
	change := first.change(policy.Builtin())
	var paths []string
	for _, run := range first.runs {
		repository, path := workflowFile(run)
		if strings.EqualFold(repository, first.answer.Repository.NameWithOwner) && policy.FromHead(path, run.Event, &change) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// blobOf is the SHA of a file's blob at a ref; empty when there is no such file, or
// something that is not one we can read.
func blobOf(ctx context.Context, client *gh.Client, req Request, path, ref string) (string, error) {
	content, err := client.Content(ctx, req.Repo, path, ref)
	var fact error
	return content.BlobSHA, setAside(err, &fact, gh.ErrNotFound, gh.ErrTruncated, gh.ErrInvalid)
}

func (s *secondReading) readJobs(ctx context.Context, client *gh.Client, req Request, runID int64) error {
	jobs, err := client.Jobs(ctx, req.Repo, runID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := setAside(err, &s.jobsErr, gh.ErrTruncated, gh.ErrNotFound); err != nil {
		return err
	}
	for _, job := range jobs {
		s.jobs[job.ID] = job
	}
	return nil
}

func rulesetIDs(rules []gh.Rule) []int64 {
	var ids []int64
	seen := map[int64]bool{}
	for _, rule := range rules {
		if !seen[rule.RulesetID] {
			seen[rule.RulesetID] = true
			ids = append(ids, rule.RulesetID)
		}
	}
	return ids
}

// readRuleset reads a ruleset for its bypass list. A ruleset that may not be read has
// an unreadable bypass list; that is a fact.
func (s *secondReading) readRuleset(ctx context.Context, client *gh.Client, repo gh.Repo, id int64) error {
	ruleset, err := client.Ruleset(ctx, repo, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	var fact error
	if err := setAside(err, &fact, gh.ErrNotFound, gh.ErrForbidden); err != nil {
		return err
	}
	if fact != nil {
		s.rulesetErrs[id] = fact
		return nil
	}
	s.rulesets[id] = ruleset
	return nil
}

// reviewers are the accounts whose role matters: people with a review that says
// something. A bot's or a deleted account's never counts, so nobody asks.
func reviewers(first *firstReading) []policy.Actor {
	var list []policy.Actor
	seen := map[int64]bool{}
	for _, node := range first.answer.Repository.PullRequest.Reviews.Nodes {
		who := node.Author.actor()
		if who.Type == policy.TypeUser && who.ID != 0 && !seen[who.ID] && node.State != "COMMENTED" && node.State != "PENDING" {
			seen[who.ID] = true
			list = append(list, who)
		}
	}
	return list
}

// readRole asks by login, which is all that GitHub offers, and believes the answer
// only when it is about the same account id.
func (s *secondReading) readRole(ctx context.Context, client *gh.Client, req Request, who policy.Actor) error {
	permission, err := client.Permission(ctx, req.Repo, who.Login)
	if errors.Is(err, gh.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if permission.User.ID != who.ID {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[who.ID] = roleOf(permission)
	return nil
}

// roleOf is one of GitHub's own roles: of a custom role the one that it stands on, which
// is the least that it allows.
func roleOf(p gh.Permission) string {
	switch p.Role {
	case "admin", "maintain", "write", "triage", "read", "none":
		return p.Role
	}
	return p.Base
}

// readTeam expands a team. One that cannot be read is a list that is not complete.
func readTeam(ctx context.Context, client *gh.Client, name string) (policy.Team, error) {
	team := policy.Team{Name: name}
	org, slug, _ := strings.Cut(name, "/")
	members, err := client.TeamMembers(ctx, org, slug)
	var fact error
	if err := setAside(err, &fact, gh.ErrNotFound, gh.ErrForbidden, gh.ErrTruncated); err != nil {
		return team, err
	}
	if fact != nil {
		team.Members.Why = fact.Error()
		return team, nil
	}
	team.Members.Complete, team.Members.Total = true, len(members)
	for _, m := range members {
		team.Members.Items = append(team.Members.Items, account(m))
	}
	return team, nil
}
