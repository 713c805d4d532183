package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// The page of a change leads to the issues and tickets that it names, in the trackers of its own
// organisation, and what the author wrote stays text.
func TestTicketsOnThePageOfAChange(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.mustSettle(t)
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, []byte(`trackers:
  - {organisation: Acme, jira_url: "https://acme.atlassian.example/", projects: [SHOP]}
  - {organisation: acme, linear_workspace: acme, projects: [ENG]}
  - {organisation: globex, linear_workspace: globex, projects: [UTF]}
`), 0o600))
	w.restart(t)
	repo := w.guardedRepo("ticketed", shopPolicy+`authorisation: {pattern: "CHG[0-9]+|<i>"}`+"\n")
	issue := repo.OpenIssue(w.bob, "Please", "do it")
	pr := repo.OpenPullRequest(ghsim.PullSpec{Title: "SHOP-12 <b>UTF-8</b>", Body: "As CHG0042 asks <i>", Head: "dave/eng-7_fix", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "A fix", Files: code}}})
	pr.Closes(issue)
	pr.Approve(w.bob)
	w.mustSettle(t)
	b, _ := w.signIn(t, w.alice)
	b.wantPage(fmt.Sprintf("/orgs/acme/changes/%d/%d", repo.ID(), pr.Number()), http.StatusOK, []string{
		fmt.Sprintf(`<a href="%s/acme/ticketed/issues/%d">acme/ticketed #%d</a> <span class="soft">an issue that it closes`, w.sim.URL(), issue.Number(), issue.Number()),
		`<a href="https://acme.atlassian.example/browse/SHOP-12">SHOP-12</a> <span class="soft">Jira, in the title`,
		`<a href="https://linear.app/acme/issue/ENG-7">ENG-7</a> <span class="soft">Linear, in the name of its branch`,
		`CHG0042 <span class="soft">by the policy&#39;s pattern`, `&lt;i&gt; <span class="soft">`,
	}, "globex", "<i>", "browse/UTF")
}
