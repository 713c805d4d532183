package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Access says who has which role in one organisation, beside what everybody has there: its owners are
// admins, and whoever can read a repository sees it.
type Access struct {
	// Organisation is its login.
	Organisation string `yaml:"organisation"`
	// ComplianceTeams and AdminTeams are teams of the organisation, "acme/compliance". Members of
	// their child teams are meant too. Default: none.
	ComplianceTeams []string `yaml:"compliance_teams"`
	AdminTeams      []string `yaml:"admin_teams"`
}

// teamSlug is what GitHub makes of a team's name, as in the address of its page.
var teamSlug = regexp.MustCompile(`^[a-z0-9_][a-z0-9_.-]{0,254}$`)

// checkAccess says what is wrong with the roles.
func (c *Config) checkAccess() error {
	var problems []error
	seen := map[string]bool{}
	for i, a := range c.Access {
		at := fmt.Sprintf("config: access[%d]", i)
		login := strings.ToLower(a.Organisation)
		if login == "" || seen[login] {
			problems = append(problems, errors.New(at+".organisation: is missing, or stands twice"))
		}
		seen[login] = true
		if len(a.ComplianceTeams)+len(a.AdminTeams) == 0 {
			problems = append(problems, errors.New(at+": names neither compliance_teams nor admin_teams"))
		}
		problems = append(problems, a.checkTeams(at+".compliance_teams", a.ComplianceTeams), a.checkTeams(at+".admin_teams", a.AdminTeams))
	}
	return errors.Join(problems...)
}

// checkTeams refuses what is no team of the organisation: whom it is about, only that may say.
func (a Access) checkTeams(at string, teams []string) error {
	var problems []error
	for _, team := range teams {
		org, slug, _ := strings.Cut(team, "/")
		if !strings.EqualFold(org, a.Organisation) || !teamSlug.MatchString(slug) {
			problems = append(problems, fmt.Errorf("%s: is %q, must be a team of the organisation\n  hint: write it as in the address of its page, for example %s/compliance", at, team, a.Organisation))
		}
	}
	return errors.Join(problems...)
}

// AccessOf is who has which role in an organisation.
func (c *Config) AccessOf(login string) Access {
	for _, a := range c.Access {
		if strings.EqualFold(a.Organisation, login) {
			return a
		}
	}
	return Access{Organisation: login}
}
