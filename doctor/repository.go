package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// organisation is one that is looked at.
type organisation struct {
	*examination
	client  *gh.Client
	tenant  store.Tenant // of use only with a store
	account gh.Account
	link    string // to the settings of the installation
	above   facts.OrganisationPolicy
	roles   map[string]gh.Permission // by repository and login
	members map[string]membership    // by team
}

func (o *organisation) look(ctx context.Context) {
	var err error
	o.above, err = facts.ReadOrganisationPolicy(ctx, o.client, o.account.Login)
	var repositories []gh.ListedRepository
	if err == nil {
		repositories, _, err = o.client.InstalledRepositories(ctx)
	}
	if err != nil {
		o.unread(checkInstallation, o.account.Login, "No repository of it was looked at", err, o.link)
		return
	}
	if problems := o.above.Problems(); len(problems) > 0 {
		at := o.account.Login + "/" + policy.OrganisationRepository
		o.broken(at, "", problems)
		o.find(Finding{Severity: High, Check: checkPolicy, Subject: o.account.Login, What: "No repository of it was looked at, because the organisation's policy is part of every one's.", Remedy: "Repair it first.", Link: o.link})
		return
	}
	for i, r := range repositories {
		if o.budget {
			o.find(Finding{Severity: High, Check: checkInstallation, Subject: o.account.Login, What: fmt.Sprintf("%d repositories were not looked at, because GitHub answers no more for now.", len(repositories)-i), Remedy: "Run doctor again in an hour, with --org for one organisation at a time."})
			return
		}
		o.Looked(int64(i+1), int64(len(repositories)))
		if !r.Archived { // nothing can be merged there
			o.report.Repositories++
			o.repository(ctx, r.FullName)
		}
	}
	o.impostorsOnRecord(ctx)
}

// unread notes that something could not be looked at.
func (o *organisation) unread(check, subject, what string, err error, link string) {
	remedy := "Try again when GitHub answers."
	switch {
	case errors.Is(err, gh.ErrForbidden), errors.Is(err, gh.ErrNotFound):
		remedy = "Let the App see it: its permissions, and the repositories that it is installed on."
	case errors.Is(err, gh.ErrRateLimited):
		o.budget = true
	}
	o.find(Finding{Severity: High, Check: check, Subject: subject, What: what + ": " + err.Error(), Remedy: remedy, Link: link})
}

// broken notes what is wrong with a policy file.
func (o *organisation) broken(repository, branch string, problems []policy.Problem) {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	o.find(Finding{Severity: High, Check: checkPolicy, Subject: strings.TrimSpace(repository + " " + branch), What: "The policy cannot be used, so nothing is released by it: " + strings.Join(lines, "; "),
		Remedy: "Repair it; countersign policy check says the same before it is merged.", Link: o.policyLink(repository, branch)})
}

func (o *organisation) policyLink(repository, branch string) string {
	if branch == "" {
		branch = "HEAD"
	}
	return o.web() + "/" + repository + "/blob/" + strings.ReplaceAll(url.PathEscape(branch), "%2F", "/") + "/" + policy.Path
}

// branch is an enrolled one.
type branch struct {
	gh.Branch
	repo   gh.Repo
	policy *policy.Policy
	lane   policy.Enrolment
}

func (b branch) subject() string { return b.repo.String() + " " + b.Name }

func (o *organisation) repository(ctx context.Context, fullName string) {
	owner, name, _ := strings.Cut(fullName, "/")
	repo := gh.Repo{Owner: owner, Name: name}
	enrolled, err := o.enrolled(ctx, repo)
	if err != nil {
		o.unread(checkPolicy, fullName, "Its policy could not be read", err, o.link)
		return
	}
	for _, b := range enrolled {
		o.report.Branches++
		if err := errors.Join(o.protection(ctx, b), o.impostors(ctx, b)); err != nil {
			o.unread(checkProtection, b.subject(), "The branch could not be looked at whole", err, o.protectionLink(repo))
		}
	}
	if err := o.teams(ctx, enrolled); err != nil {
		o.unread(checkTeam, fullName, "Who could approve could not be read", err, o.link)
	}
}

// enrolled are the branches that the policy enrols: that of the default branch, which says which they
// are, and that of each of them, by which it is judged.
func (o *organisation) enrolled(ctx context.Context, repo gh.Repo) ([]branch, error) {
	found, err := o.client.Repository(ctx, repo)
	if err != nil {
		return nil, err
	}
	main := found.DefaultBranch
	says, err := o.policyOf(ctx, repo, main, main)
	if err != nil {
		return nil, err
	}
	switch {
	case says.Broken:
		o.broken(repo.String(), main, says.Problems)
		return nil, nil
	case says.Policy == nil:
		if gone, err := o.gone(ctx, repo, found.ID); err != nil || gone {
			return nil, err
		}
		if repo.Name != policy.OrganisationRepository {
			o.find(Finding{Severity: Low, Check: checkPolicy, Subject: repo.String(), What: "It has no policy, and the organisation's does not enrol it: nothing is held there.", Remedy: "Put " + policy.Path + " on " + main + ", or name the repository in the organisation's policy.", Link: o.policyLink(repo.String(), main)})
		}
		return nil, nil
	}
	for _, note := range says.InVain {
		o.find(Finding{Severity: Low, Check: checkPolicy, Subject: repo.String() + " " + main, What: "The repository asks in vain: " + note.String() + ".", Remedy: "Take it out, or change the organisation's policy.", Link: o.policyLink(repo.String(), main)})
	}
	branches, err := o.client.Branches(ctx, repo)
	if err != nil {
		return nil, err
	}
	return o.confirmed(ctx, repo, main, says, branches)
}

// gone says whether there was a policy that enforced and there is none any more, which is a finding:
// enforcement ends by no such change.
func (o *organisation) gone(ctx context.Context, repo gh.Repo, id int64) (bool, error) {
	if o.store == nil {
		return false, nil
	}
	followed, err := o.tenant.Branches(ctx, id)
	if err != nil {
		return false, err
	}
	was := slices.ContainsFunc(followed, func(b store.Branch) bool { return policy.Mode(b.Mode) == policy.ModeEnforce })
	if was {
		o.find(Finding{Severity: High, Check: checkPolicy, Subject: repo.String(), What: "Its policy is gone, or GitHub does not show it to the App. Its branches stay enforced, so nothing is released there.",
			Remedy: "Put it back. To give it up, set mode: audit in it first.", Link: o.policyLink(repo.String(), "")})
	}
	return was, nil
}

func (o *organisation) policyOf(ctx context.Context, repo gh.Repo, at, name string) (facts.BranchPolicy, error) {
	return facts.ReadBranchPolicy(ctx, o.client, repo, o.above, "refs/heads/"+at, name)
}

// confirmed are the branches that the default branch enrols and that are judged so by their own policy.
func (o *organisation) confirmed(ctx context.Context, repo gh.Repo, main string, says facts.BranchPolicy, branches []gh.Branch) ([]branch, error) {
	var out []branch
	named := 0
	for _, b := range branches {
		lane, enrolled := says.Policy.Lane(b.Name)
		if !enrolled {
			continue
		}
		named++
		own := says
		if b.Name != main {
			var err error
			if own, err = o.policyOf(ctx, repo, b.Name, b.Name); err != nil {
				return nil, err
			}
		}
		subject := repo.String() + " " + b.Name
		switch {
		case own.Broken:
			o.broken(repo.String(), b.Name, own.Problems)
			continue
		case b.Name != main && (!own.Enrolled || own.Lane.CheckName != lane.CheckName):
			o.find(Finding{Severity: High, Check: checkPolicy, Subject: subject, What: fmt.Sprintf("The policy on %s judges it under %q, and its own policy does not: nothing is released there.", main, lane.CheckName),
				Remedy: "Put the policy of " + main + " on the branch too, or take the branch out of it.", Link: o.policyLink(repo.String(), b.Name)})
			continue
		}
		out = append(out, branch{Branch: b, repo: repo, policy: own.Policy, lane: own.Lane})
	}
	if named == 0 {
		o.find(Finding{Severity: Low, Check: checkPolicy, Subject: repo.String(), What: "Its policy enrols no branch that there is.", Remedy: "Name the branches that are to be held.", Link: o.policyLink(repo.String(), main)})
	}
	return out, nil
}

func (o *organisation) protectionLink(repo gh.Repo) string {
	return o.web() + "/" + repo.String() + "/settings/rules"
}

// protection judges how a branch is protected as the rule does, and tells who may bypass it.
func (o *organisation) protection(ctx context.Context, b branch) error {
	protection, err := facts.ReadProtection(ctx, o.client, b.repo, b.Name, func(ctx context.Context, ruleset int64) (*policy.AttestedBypass, error) {
		if o.store == nil {
			return nil, nil
		}
		return o.tenant.AttestedBypass(ctx, ruleset)
	})
	if err != nil {
		return err
	}
	for i := range protection.Bypass {
		source := fmt.Sprintf("ruleset %d of %s", protection.Bypass[i].RulesetID, protection.Bypass[i].Source)
		if protection.Bypass[i].RulesetID == 0 {
			source = protection.Bypass[i].Source
		}
		o.observe(checkBypass, b.subject(), "%s: %s", source, whoBypasses(protection.Bypass[i]))
	}
	ruled, holds := policy.JudgeProtection(b.policy, policy.App{ID: o.app.ID, Slug: o.app.Slug}, b.repo.String(), protection, o.Now())
	f := Finding{Severity: High, Check: checkProtection, Subject: b.subject(), What: ruled.Reason, Remedy: ruled.Remedy, Link: o.protectionLink(b.repo)}
	switch {
	case holds == policy.Yes:
		o.lapsing(b, protection)
		return nil
	case holds == policy.Unknown:
		f.Check = checkBypass
		if ruled.Command != "" {
			f.Remedy += " The command: " + strings.Replace(ruled.Command, "https://YOUR-COUNTERSIGN", o.cfg.PublicURL, 1)
		}
	case protection.Classic != nil && len(protection.Rules.Items) == 0:
		f.Link = o.web() + "/" + b.repo.String() + "/settings/branches"
	}
	if b.lane.Mode == policy.ModeAudit {
		f.Severity, f.What = Low, "It is judged in audit mode, and could not be enforced yet. "+f.What
	}
	o.find(f)
	return nil
}

// lapseAhead is how long before its end an attestation is to be renewed.
const lapseAhead = 7 * 24 * time.Hour

// lapsing looks for attestations that end soon.
func (o *organisation) lapsing(b branch, p policy.Protection) {
	for _, list := range p.Bypass {
		if a := list.Attested; a != nil && a.VoidAt.IsZero() {
			if until := a.Until(); until.Sub(o.Now()) < lapseAhead {
				o.find(Finding{Severity: Low, Check: checkBypass, Subject: b.subject(), What: fmt.Sprintf("What %s attested of ruleset %d stands until %s.", a.By.Login, list.RulesetID, until.Format(time.DateOnly)),
					Remedy: "An owner attests it anew: countersign protect attest, see docs/protection.md.", Link: o.protectionLink(b.repo)})
			}
		}
	}
}

// whoBypasses says what is known of a bypass list.
func whoBypasses(b policy.Bypass) string {
	switch {
	case b.State == policy.BypassNone:
		return "nobody"
	case b.State == policy.BypassThese:
		return actors(b.Actors)
	case b.Attested == nil:
		return "not readable, and not attested"
	case b.AttestationVoid():
		return "not readable, and changed since it was attested"
	case len(b.Attested.Actors) == 0:
		return "nobody, as " + b.Attested.By.Login + " attested on " + b.Attested.At.Format(time.DateOnly)
	}
	return actors(b.Attested.Actors) + ", as " + b.Attested.By.Login + " attested on " + b.Attested.At.Format(time.DateOnly)
}

func actors(list []policy.BypassActor) string {
	var out []string
	for _, a := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %d (%s)", a.Type, a.Name, a.ID, a.Mode)))
	}
	return strings.Join(out, ", ")
}

// impostors looks for checks under our names from others, at the tip of a branch.
func (o *organisation) impostors(ctx context.Context, b branch) error {
	runs, err := o.client.CheckRuns(ctx, b.repo, b.SHA)
	if err != nil {
		return err
	}
	statuses, err := o.client.Statuses(ctx, b.repo, b.SHA)
	if err != nil {
		return err
	}
	posters := map[string]bool{}
	for _, r := range runs {
		if policy.IsOwnCheck(r.Name) && r.App.ID != o.app.ID {
			posters["the App "+r.App.Slug] = true
		}
	}
	for _, s := range statuses {
		if policy.IsOwnCheck(s.Context) {
			posters[cmp.Or(s.Creator.Login, "somebody")] = true
		}
	}
	for _, who := range slices.Sorted(maps.Keys(posters)) {
		o.find(Finding{Severity: Medium, Check: checkImpostor, Subject: b.subject(), What: fmt.Sprintf("A check under our name on %.12s was posted by %s.", b.SHA, who), Remedy: "Find out who did that and why. It counts for nothing as long as the required check is pinned to the App.", Link: o.web() + "/" + b.repo.String() + "/commit/" + b.SHA})
	}
	return nil
}

// impostorsOnRecord are those that decisions found on pull requests and that nobody settled yet.
func (o *organisation) impostorsOnRecord(ctx context.Context) {
	if o.store == nil {
		return
	}
	list, err := o.tenant.Exceptions(ctx, store.ExceptionFilter{Kind: store.ImpostorCheck, Open: true})
	if err != nil {
		o.find(Finding{Severity: High, Check: checkDatabase, Subject: o.account.Login, What: "Its exceptions cannot be read: " + first(err), Remedy: "countersign ledger check looks at all of it."})
	}
	for _, x := range list {
		o.find(Finding{Severity: Medium, Check: checkImpostor, Subject: fmt.Sprintf("%s#%d", x.Repository, x.Number), What: x.Reason, Remedy: "Settle the exception " + x.ID + ": countersign exceptions close.", Link: fmt.Sprintf("%s/%s/pull/%d", o.web(), x.Repository, x.Number)})
	}
}
