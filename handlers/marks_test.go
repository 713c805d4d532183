package handlers_test

import (
	"strings"
	"testing"
)

// What may change who can approve, or which rules hold, is looked at again.
func TestChangesAroundAPullRequestMarkIt(t *testing.T) {
	d := open(t)
	d.post(t, "d1", "pull_request", pullRequest("opened", "open"), nil)
	d.finishAllLater(t)
	team := `"team":{"id":4,"name":"core","slug":"core"},`
	for _, c := range []struct {
		name, event, body string
		jobs              int // of the pull request, and one about which repositories there are
	}{
		{"a team loses the repository", "team", `{"action":"removed_from_repository",` + team + frame + `}`, 1},
		{"a property that rulesets select by", "custom_property_values", `{"action":"updated","new_property_values":[],"old_property_values":[],` + frame + `}`, 1},
		{"another default branch, which rulesets select by", "repository", `{"action":"edited","changes":{"default_branch":{"from":"master"}},` + frame + `}`, 2},
		{"a new name", "repository", `{"action":"renamed","changes":{},` + frame + `}`, 2},
		{"the repository is gone", "repository", `{"action":"deleted",` + frame + `}`, 1},
	} {
		if status, text := d.post(t, strings.ReplaceAll(c.name, " ", "-"), c.event, c.body, nil); status != 202 {
			t.Errorf("%s: got %d %q, want 202", c.name, status, text)
		}
		if n := d.ready(t); n != c.jobs {
			t.Errorf("%s: %d jobs, want %d", c.name, n, c.jobs)
		}
		d.finishAllLater(t)
	}
}

// A check run names the pull requests of every repository that its commit is a head in.
func TestPullRequestsOfOtherRepositoriesAreNotMarked(t *testing.T) {
	d := open(t)
	mention := func(repo string) string {
		return strings.Replace(checkRun("15368", "completed"), `"pull_requests":[]`,
			`"pull_requests":[{"id":1,"number":9,"base":{"ref":"main","sha":"`+head+`","repo":{"id":`+repo+`}}}]`, 1)
	}
	d.post(t, "other", "check_run", mention("4711"), nil)
	if n := d.ready(t); n != 0 {
		t.Errorf("a pull request of another repository made %d jobs", n)
	}
	d.post(t, "ours", "check_run", mention("2002"), nil)
	if n := d.ready(t); n != 1 {
		t.Errorf("one of ours made %d jobs, want 1", n)
	}
}
