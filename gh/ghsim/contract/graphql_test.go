package contract_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/contract"
)

// TestGraphQLOverTheStory asks for everything that we may want to know of every pull
// request of the story, over HTTP: GitHub's schema accepts the query, and everything in
// the world has an answer that the schema allows.
func TestGraphQLOverTheStory(t *testing.T) {
	sim := start(t)
	st := tell(t, sim, "")
	token := st.installation.Token()
	facts, group := readQuery(t, "facts.graphql"), readQuery(t, "group.graphql")
	for name, pulls := range map[string]int{"shop": 1, "laboratory": 7, "queue": 2} {
		for number := 1; number <= pulls; number++ {
			if name == "shop" {
				number = st.first.Number()
			}
			data := ask(t, sim, token, facts, map[string]any{"owner": "acme", "name": name, "number": number, "base": "refs/heads/main"})
			if !bytes.Contains(data, []byte(`"headRefOid":"`)) {
				t.Errorf("%s#%d: no pull request in %.300s", name, number, data)
			}
		}
	}
	queue := sim.Org("acme").Repo("queue", ghsim.RepoSpec{})
	data := ask(t, sim, token, group, map[string]any{"owner": "acme", "name": "queue", "branch": "main", "groupSha": queue.Head("main")})
	if !bytes.Contains(data, []byte(`"mergingStrategy":"ALLGREEN"`)) {
		t.Errorf("no merge queue in %.300s", data)
	}

	got := string(ask(t, sim, token, facts, map[string]any{"owner": "acme", "name": "shop", "number": st.first.Number(), "base": "main"}))
	for _, want := range []string{
		`"author":{"__typename":"Bot","login":"coder","databaseId":`,
		`"reviewDecision":"APPROVED"`, `"mergeStateStatus":"BLOCKED"`, `"closingIssuesReferences":{"totalCount":1`,
		`"__typename":"HeadRefForcePushedEvent"`, `"__typename":"ReviewDismissedEvent"`, `"__typename":"AutoMergeDisabledEvent"`, `"previousReviewState":"CHANGES_REQUESTED"`,
		`"isRequired":true`, `"path":".github/workflows/ci.yml"`, `"context":"lint","state":"SUCCESS"`, `"wasSignedByGitHub":true`,
		`"actor":{"__typename":"Team","databaseId":`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in the answer", want)
		}
	}
	if strings.Contains(got, ".github/workflows/manual.yml") {
		t.Error("a suite that was started by hand is in the rollup")
	}
	if t.Failed() {
		t.Log(got)
	}
}

// TestCheckFails: the check is worth its name only if it can fail.
func TestCheckFails(t *testing.T) {
	sim := start(t)
	st := tell(t, sim, "")
	wrong := &recordingTB{TB: t}
	contract.Check(wrong, sim)
	c := caller{t, sim.URL(), st.installation.Token()}
	c.do("GET", "/repos/acme/shop/pulls?state=ajar", nil, 200)
	c.do("GET", "/repos/acme/shop/no-such-thing", nil, 404)
	wrong.end()
	if len(wrong.errors) != 2 || !strings.Contains(wrong.errors[0], "no such operation") || !strings.Contains(wrong.errors[1], "value is not one of") {
		t.Errorf("got %q, want two violations", wrong.errors)
	}
	c.get("/repos/acme/shop")
	if wrong.end(); len(wrong.errors) != 2 {
		t.Errorf("got %q after the end", wrong.errors[2:])
	}
}

// recordingTB is a test that only writes down that it failed.
type recordingTB struct {
	testing.TB
	errors []string
	atEnd  []func()
}

func (r *recordingTB) Cleanup(f func()) { r.atEnd = append(r.atEnd, f) }
func (r *recordingTB) Errorf(format string, args ...any) {
	var b strings.Builder
	for _, a := range args {
		if v, is := a.(contract.Violation); is {
			b.WriteString(v.String())
		}
	}
	r.errors = append(r.errors, b.String())
}

// end runs the cleanups, the last one first.
func (r *recordingTB) end() {
	for i := len(r.atEnd) - 1; i >= 0; i-- {
		r.atEnd[i]()
	}
	r.atEnd = nil
}

func start(t *testing.T) *ghsim.Sim {
	t.Helper()
	sim := ghsim.New(ghsim.Options{})
	if err := sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sim.Close() })
	return sim
}

func readQuery(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ask sends a query and wants data without errors.
func ask(t *testing.T, sim *ghsim.Sim, token, query string, vars map[string]any) json.RawMessage {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", sim.URL()+"/api/graphql", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Data   json.RawMessage
		Errors []json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	for _, e := range answer.Errors {
		t.Errorf("%v: %s", vars, e)
	}
	return answer.Data
}
