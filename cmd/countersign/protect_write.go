package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/policy"
)

// protection is one run of countersign protect.
type protection struct {
	env    environment
	client *gh.Client
	level  gh.RulesetLevel
	appID  int64
	apply  bool
	server string // where an owner attests afterwards; empty: nowhere
	token  string

	policy *policy.Policy // that says what is needed
	main   string         // the repository's default branch
}

// plannedRuleset is one ruleset as it is to be, for somebody to review.
type plannedRuleset struct {
	Method  string         `json:"method"`
	Path    string         `json:"path"`
	Ruleset gh.RulesetBody `json:"ruleset"`
}

func runProtectWrite(ctx context.Context, args []string, env environment) error {
	flags := newFlags("protect", env.stderr, protectHelp)
	repo := flags.String("repo", "", "repository, `owner/name`")
	org := flags.String("org", "", "organisation, by `login`: one ruleset for all repositories that its policy enrols")
	app := flags.Int64("app-id", defaultAppID(env), "numeric `id` of the App whose check is required")
	apply := flags.Bool("apply", false, "write it, with your own token")
	server := flags.String("server", "", "with --apply: `URL` of the Countersign server at which you attest who may bypass it, as an owner")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	p, err := newProtection(*repo, *org, *app, *apply, *server, flags, env)
	if err != nil {
		return err
	}
	if err := p.read(ctx); err != nil {
		return err
	}
	return p.run(ctx)
}

func defaultAppID(env environment) int64 {
	id, err := strconv.ParseInt(env.getenv("GITHUB_APP_INTEGRATION_ID"), 10, 64)
	if err != nil {
		return 0 // which the command refuses
	}
	return id
}

func newProtection(repo, org string, app int64, apply bool, server string, flags *flag.FlagSet, env environment) (*protection, error) {
	owner, name, isRepo := strings.Cut(repo, "/")
	switch {
	case (repo == "") == (org == ""):
		fmt.Fprintln(env.stderr, "countersign protect: --repo or --org is needed, and one of them")
		flags.Usage()
		return nil, errUsage
	case repo != "" && (!isRepo || owner == "" || name == "" || strings.Contains(name, "/")):
		return nil, fmt.Errorf("--repo %q is no repository\nhint: write it as acme/shop", repo)
	case app <= 0:
		return nil, errors.New("it is not known whose check is to be required\nhint: give --app-id, or GITHUB_APP_INTEGRATION_ID; it is in the App's settings on GitHub")
	case server != "" && !apply:
		return nil, errors.New("--server goes with --apply: what is not written cannot be attested")
	}
	p := &protection{env: env, level: gh.RulesetLevel{Organisation: org, Repo: gh.Repo{Owner: owner, Name: name}}, appID: app, apply: apply}
	var err error
	if server != "" {
		if p.server, err = serverAddress(server); err != nil {
			return nil, err
		}
	}
	if p.token, err = ownToken(env, "protect …, as somebody who may edit rulesets"); err != nil {
		return nil, err
	}
	p.client, err = gh.PersonAt(gh.Settings{V3URL: env.getenv("GITHUB_V3_API_URL"), V4URL: env.getenv("GITHUB_V4_API_URL")}, p.token)
	return p, err
}

// read reads the policy that says what is needed.
func (p *protection) read(ctx context.Context) error {
	above, err := facts.ReadOrganisationPolicy(ctx, p.client, cmp.Or(p.level.Organisation, p.level.Repo.Owner))
	if err != nil {
		return err
	}
	if problems := above.Problems(); len(problems) > 0 {
		return fmt.Errorf("the organisation's policy cannot be used: %s\nhint: repair it first", problems[0])
	}
	if p.level.Organisation != "" {
		if p.policy = above.Policy(); p.policy == nil || len(p.policy.Repositories) == 0 {
			return fmt.Errorf("the policy of %s enrols no repositories by itself\nhint: name them in it under repositories, or protect them one by one with --repo", p.level.Organisation)
		}
		return nil
	}
	found, err := p.client.Repository(ctx, p.level.Repo)
	if err != nil {
		return err
	}
	p.main = found.DefaultBranch
	own, err := facts.ReadBranchPolicy(ctx, p.client, p.level.Repo, above, "refs/heads/"+p.main, p.main)
	switch {
	case err != nil:
		return err
	case own.Broken:
		return fmt.Errorf("the policy of %s cannot be used: %v\nhint: repair it first", p.level.Repo, own.Problems)
	case own.Policy == nil:
		return fmt.Errorf("%s has no policy on %s, so nothing says which branches to protect\nhint: put %s there", p.level.Repo, p.main, policy.Path)
	}
	p.policy = own.Policy
	return nil
}

// run plans each ruleset, shows what differs, and writes it if that was asked for.
func (p *protection) run(ctx context.Context) error {
	repositories, err := p.repositories()
	if err != nil {
		return err
	}
	wanted, waits, err := wantedRulesets(p.policy, p.appID, repositories)
	if err != nil {
		return err
	}
	for _, lane := range waits {
		fmt.Fprintf(p.env.stderr, "not required yet: the check %s. In audit mode it is posted under another name, and requiring it would stop every merge: set mode: enforce first.\n", visible(lane))
	}
	if len(wanted) == 0 {
		return errors.New("the policy enforces nothing yet, so there is nothing to require\nhint: set mode: enforce, and run this again")
	}
	plans, newest := []plannedRuleset{}, time.Time{}
	for _, w := range wanted {
		plan, at, err := p.one(ctx, w)
		if err != nil {
			return err
		}
		if at.After(newest) {
			newest = at
		}
		plans = append(plans, plan...)
	}
	if !p.apply {
		out := json.NewEncoder(p.env.stdout)
		out.SetIndent("", "  ")
		return out.Encode(plans)
	}
	return p.afterwards(ctx, newest)
}

// repositories are GitHub's patterns of the repositories of an organisation's ruleset.
func (p *protection) repositories() (out []string, err error) {
	if p.level.Organisation == "" {
		return nil, nil
	}
	for _, glob := range p.policy.Repositories {
		if glob == "*" { // a name has no slash in it
			glob = "**"
		}
		patterns, err := githubPatterns(glob, "")
		if err != nil {
			return nil, err
		}
		out = append(out, patterns...)
	}
	return out, nil
}

// one brings one ruleset to what is wanted, or says how. at is when GitHub last changed it.
func (p *protection) one(ctx context.Context, w wantedRuleset) (plan []plannedRuleset, at time.Time, err error) {
	var was *gh.RulesetBody
	want, err := w.fresh()
	if err != nil {
		return nil, at, err
	}
	have, err := p.client.RulesetNamed(ctx, p.level, w.name)
	switch {
	case errors.Is(err, gh.ErrNotFound):
	case err != nil:
		return nil, at, mayEdit(err)
	default:
		was = &have
		if want, err = w.tightened(have); err != nil {
			return nil, at, err
		}
	}
	lines, err := difference(was, want)
	if err != nil {
		return nil, at, err
	}
	p.tell(w.name, was, want, lines)
	if len(lines) == 0 {
		return nil, at, nil
	}
	if !p.apply {
		return []plannedRuleset{p.plan(want)}, at, nil
	}
	if _, err := p.client.WriteRuleset(ctx, p.level, want); err != nil {
		return nil, at, mayEdit(err)
	}
	// What GitHub made of it is read, and not believed: it leaves out what it does not know.
	if have, err = p.client.RulesetNamed(ctx, p.level, w.name); err != nil {
		return nil, at, err
	}
	lacks, err := w.tightened(have)
	if err == nil {
		lines, err = difference(&have, lacks)
	}
	if err == nil && len(lines) > 0 {
		err = fmt.Errorf("GitHub wrote the ruleset %q otherwise than it was asked to: it still lacks %s", w.name, strings.Join(lines, "; "))
	}
	return nil, time.Now(), err
}

// mayEdit adds what to do to a refusal.
func mayEdit(err error) error {
	if errors.Is(err, gh.ErrForbidden) {
		return fmt.Errorf("%w\nhint: use a token that may edit it: a classic one with the scopes repo and admin:org, or a fine-grained one with Administration: write", err)
	}
	return err
}

func (p *protection) plan(want gh.RulesetBody) plannedRuleset {
	plan := plannedRuleset{Method: "POST", Path: "/repos/" + p.level.String() + "/rulesets", Ruleset: want}
	if p.level.Organisation != "" {
		plan.Path = "/orgs/" + p.level.Organisation + "/rulesets"
	}
	if want.ID != 0 {
		plan.Method, plan.Path = "PUT", plan.Path+"/"+strconv.FormatInt(want.ID, 10)
	}
	return plan
}

// tell shows what differs before anything is written: beside the JSON, or alone.
func (p *protection) tell(name string, was *gh.RulesetBody, want gh.RulesetBody, lines []string) {
	w := p.env.stderr
	if p.apply {
		w = p.env.stdout
	}
	switch {
	case was == nil:
		fmt.Fprintf(w, "the ruleset %q of %s is made:\n", name, p.level)
	case len(lines) == 0:
		fmt.Fprintf(w, "the ruleset %q of %s has all that it needs: nothing is changed.\n", name, p.level)
	default:
		fmt.Fprintf(w, "the ruleset %q of %s is tightened:\n", name, p.level)
	}
	for _, line := range lines {
		fmt.Fprintf(w, "  %s\n", visible(strings.TrimSpace(line)))
	}
	for _, b := range want.BypassActors {
		who := b.Type
		if b.ID != nil {
			who += fmt.Sprintf(" %d", *b.ID)
		}
		fmt.Fprintf(w, "  it may be bypassed by %s (%s), which is left as it is: the policy must allow that, or an administrator takes it out\n", visible(who), visible(b.Mode))
	}
}

// afterwards says what a branch still lacks, and has the owner attest who may bypass it.
func (p *protection) afterwards(ctx context.Context, changed time.Time) error {
	if p.level.Organisation != "" {
		fmt.Fprintf(p.env.stdout, "next: attest who may bypass it, through one of the repositories:\n  countersign protect attest --server %s --repo %s/NAME\n", cmp.Or(p.server, "https://YOUR-COUNTERSIGN"), p.level.Organisation)
		return nil
	}
	branches, err := p.client.Branches(ctx, p.level.Repo)
	if err != nil {
		return err
	}
	for _, b := range branches {
		if lane, enrolled := p.policy.Lane(b.Name); !enrolled || lane.Mode == policy.ModeAudit {
			continue
		}
		if err := p.afterwardsOf(ctx, b.Name, changed); err != nil {
			return err
		}
	}
	return nil
}

func (p *protection) afterwardsOf(ctx context.Context, branch string, changed time.Time) error {
	nobody := func(context.Context, int64) (*policy.AttestedBypass, error) { return nil, nil }
	seen, err := facts.ReadProtection(ctx, p.client, p.level.Repo, branch, nobody)
	if err != nil {
		return err
	}
	ruled, holds := policy.JudgeProtection(p.policy, policy.App{ID: p.appID}, p.level.Repo.String(), seen, time.Now())
	if holds != policy.Yes {
		return fmt.Errorf("%s is not protected yet: %s\nhint: %s", branch, ruled.Reason, ruled.Remedy)
	}
	fmt.Fprintf(p.env.stdout, "%s can only be changed by a pull request that passes the check.\n", visible(branch))
	if p.server == "" {
		fmt.Fprintf(p.env.stdout, "next: an owner attests who may bypass it, which GitHub does not show the App:\n  countersign protect attest --server https://YOUR-COUNTERSIGN --repo %s --branch %s\n", p.level.Repo, visible(branch))
		return nil
	}
	if err := wait(ctx, time.Until(changed.Add(attestAfter))); err != nil {
		return err
	}
	var answer handlers.AttestAnswer
	if err := postAs(ctx, p.server+handlers.AttestPath, p.token, handlers.AttestRequest{Repository: p.level.Repo.String(), Branch: branch}, &answer); err != nil {
		return err
	}
	printAttested(p.env.stdout, answer)
	return nil
}

// attestAfter is how long after a ruleset was changed the server takes what is attested of it:
// GitHub's times have whole seconds.
const attestAfter = 12 * time.Second

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
