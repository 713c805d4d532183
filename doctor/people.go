package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
)

// membership is who is in a team, or why that is not known.
type membership struct {
	accounts []gh.Account
	err      error
}

// teamsOf are the teams that the policies of some branches name, each with the policy.
func teamsOf(list []branch) map[string]branch {
	out := map[string]branch{}
	for _, b := range list {
		for _, team := range b.policy.NamedTeams() {
			if _, ok := out[team]; !ok {
				out[team] = b
			}
		}
	}
	return out
}

// teams looks at who of the teams that the policies name can really approve.
func (o *organisation) teams(ctx context.Context, enrolled []branch) error {
	named := teamsOf(enrolled)
	var names []string
	for name := range named {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := o.team(ctx, named[name], name); err != nil {
			return err
		}
	}
	return nil
}

// maxAsked is of how many members of a team the role is asked for.
const maxAsked = 50

func (o *organisation) team(ctx context.Context, b branch, name string) error {
	org, slug, _ := strings.Cut(name, "/")
	f := Finding{Severity: High, Check: checkTeam, Subject: b.repo.String() + ", team " + name, Link: o.web() + "/orgs/" + url.PathEscape(org) + "/teams/" + url.PathEscape(slug)}
	say := func(severity, remedy, format string, args ...any) {
		f.Severity, f.What, f.Remedy = severity, fmt.Sprintf(format, args...), remedy
		o.find(f)
	}
	team := o.membersOf(ctx, org, slug, name)
	switch {
	case errors.Is(team.err, gh.ErrNotFound), errors.Is(team.err, gh.ErrForbidden):
		say(High, "Correct its name in "+policy.Path+", or let the App see it.", "The policy names the team, and GitHub shows the App none of that name.")
		return nil
	case team.err != nil:
		return team.err
	}
	least := cmp.Or(b.policy.Review.From.Permission, "write")
	catalogue := policy.Builtin().With(b.policy.Agents)
	var can []string
	for i, a := range team.accounts {
		if agent := catalogue.OfActor(policy.Actor{ID: a.ID, Login: a.Login, Type: policy.ActorType(a.Type)}); agent != nil || a.Type != "User" {
			say(Low, "Take it out of the team, so that nobody waits for it.", "%s is in the team and is no person: its approvals do not count.", a.Login)
			continue
		}
		if len(can) > 1 || i >= maxAsked {
			continue
		}
		is, err := o.mayApprove(ctx, b.repo, a, least)
		if err != nil {
			return err
		}
		if is {
			can = append(can, a.Login)
		}
	}
	switch {
	case len(can) == 0 && len(team.accounts) > maxAsked:
		say(Medium, "Give the team the role "+least+" or more on the repository.", "None of the first %d members of the team may approve here, as far as was looked.", maxAsked)
	case len(can) == 0:
		say(High, "Give people of the team the role "+least+" or more on the repository.", "Nobody in the team can approve here: it has %d members, and none is a person with the role %s.", len(team.accounts), least)
	case len(can) == 1:
		say(Medium, "Let another person of the team have the role "+least+" or more.", "Only %s in the team can approve here, and nobody approves their own changes.", can[0])
	}
	return nil
}

// membersOf reads a team once.
func (o *organisation) membersOf(ctx context.Context, org, slug, name string) membership {
	team, ok := o.members[name]
	if !ok {
		team.accounts, team.err = o.client.TeamMembers(ctx, org, slug)
		o.members[name] = team
	}
	return team
}

// ranks orders the roles that a policy may ask of a reviewer.
var ranks = map[string]int{"write": 1, "maintain": 2, "admin": 3}

// mayApprove says whether a person has the role on the repository.
func (o *organisation) mayApprove(ctx context.Context, repo gh.Repo, who gh.Account, least string) (bool, error) {
	key := repo.String() + " " + who.Login
	role, ok := o.roles[key]
	if !ok {
		var err error
		role, err = o.client.Permission(ctx, repo, who.Login)
		if err != nil && !errors.Is(err, gh.ErrNotFound) {
			return false, err
		}
		o.roles[key] = role
	}
	rank := ranks[role.Role]
	if rank == 0 { // a role of the organisation's own
		rank = ranks[role.Base]
	}
	return role.User.ID == who.ID && rank >= max(ranks[least], ranks["write"]), nil
}
