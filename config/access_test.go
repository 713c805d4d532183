package config

import (
	"slices"
	"strings"
	"testing"
)

func TestAccess(t *testing.T) {
	load := func(src string) (*Config, error) {
		return Load("c.yml", env(good...), func(string) ([]byte, error) { return []byte("access:\n  - " + src + "\n"), nil })
	}
	c, err := load("{organisation: Acme, compliance_teams: [acme/compliance, Acme/audit_2.x], admin_teams: [acme/platform]}\n  - {organisation: globex, admin_teams: [globex/it]}")
	if err != nil {
		t.Fatal(err)
	}
	for login, want := range map[string]Access{
		"acme":    {"Acme", []string{"acme/compliance", "Acme/audit_2.x"}, []string{"acme/platform"}},
		"GLOBEX":  {"globex", nil, []string{"globex/it"}},
		"initech": {"initech", nil, nil},
	} {
		got := c.AccessOf(login)
		if got.Organisation != want.Organisation || !slices.Equal(got.ComplianceTeams, want.ComplianceTeams) || !slices.Equal(got.AdminTeams, want.AdminTeams) {
			t.Errorf("%s: got %+v, want %+v", login, got, want)
		}
	}
	for src, says := range map[string]string{
		"{admin_teams: [acme/x]}": "access[0].organisation: is missing",
		"{organisation: acme, admin_teams: [acme/x]}\n  - {organisation: ACME, admin_teams: [acme/x]}": "access[1].organisation: is missing, or stands twice",
		"{organisation: acme}": "access[0]: names neither",
		"{organisation: acme, compliance_teams: [globex/compliance]}": `access[0].compliance_teams: is "globex/compliance"`,
		"{organisation: acme, admin_teams: [platform]}":               `access[0].admin_teams: is "platform"`,
		"{organisation: acme, admin_teams: [acme/The platform]}":      "hint: write it as in the address",
		"{organisation: acme, admin_teams: [acme/a/b]}":               `is "acme/a/b"`,
		"{organisation: acme, admin_teams: [acme/]}":                  `is "acme/"`,
		"{organisation: acme, auditors: [acme/x]}":                    "there is no setting auditors",
	} {
		if _, err := load(src); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", src, err, says)
		}
	}
}
