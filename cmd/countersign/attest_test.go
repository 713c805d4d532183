package main

import (
	"bytes"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/contract"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/store"
)

// rulesetRepo is a repository that a ruleset alone protects: the App cannot read who may bypass it.
func (w *acme) rulesetRepo(name string, bypass ...ghsim.Bypass) (*ghsim.Repo, *ghsim.Ruleset) {
	repo := w.repository(slug(name), shopPolicy)
	rs := repo.Ruleset(w.carol, ghsim.RulesetSpec{Name: "main", Bypass: bypass, Rules: []ghsim.Rule{
		ghsim.RulePullRequest(1), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}, ghsim.Required{Name: "test", App: w.sim.Actions()}),
		ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion()}})
	return repo, rs
}

// attestAs runs the command as somebody.
func (w *acme) attestAs(t *testing.T, token, repo string, more ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{"GITHUB_TOKEN": token}
	err = run(t.Context(), append([]string{"protect", "attest", "--server", "http://" + w.server.listener.Addr().String(), "--repo", repo}, more...),
		func(name string) string { return env[name] }, nil, &out, &errs)
	return out.String() + errs.String(), err
}

func TestAttestation(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	sim := ghsim.New(ghsim.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	contract.Check(t, sim)
	w, err := newAcme(t.Context(), sim, t.TempDir(), fast)
	mustDo(t, err)
	t.Cleanup(func() { mustDo(t, w.close()) })
	later := func(d time.Duration) { w.later(d); ahead.Add(int64(d)) }
	repo, rs := w.rulesetRepo("attested")
	pr := w.approved(w.davesPull(repo, code))
	if got := w.wantCheck(t, pr, "failure"); !strings.Contains(got.Summary, "`countersign protect attest --server https://YOUR-COUNTERSIGN --repo acme/attested --branch main`") {
		t.Errorf("the summary does not say what to do:\n%s", got.Summary)
	}
	token := w.carol.Token()
	if _, err := w.attestAs(t, token, "acme/attested"); err == nil || !strings.Contains(err.Error(), "changed a moment ago") {
		t.Errorf("a ruleset of this very second: %v", err)
	}
	later(time.Minute)
	out, err := w.attestAs(t, token, "acme/attested")
	mustDo(t, err)
	if !strings.Contains(out, "Recorded as carol") || !strings.Contains(out, "nobody may bypass it") {
		t.Errorf("the command says:\n%s", out)
	}
	if got := w.wantCheck(t, pr, released); !strings.Contains(got.Summary, "carol attested the bypass list of ruleset") {
		t.Errorf("the summary does not say whose word it is:\n%s", got.Summary)
	}
	// Thirty days later it has lapsed, without any event.
	later(30*24*time.Hour - time.Minute)
	w.skipUntil(t, func() bool { return w.check(pr, "countersign").Conclusion == "failure" })
	if got := w.check(pr, "countersign"); !strings.Contains(got.Summary, "older than 30 days") {
		t.Errorf("summary:\n%s", got.Summary)
	}
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 0 {
		t.Errorf("an attestation that lapsed is no change of the branch: %+v", list)
	}
	_, err = w.attestAs(t, token, "acme/attested")
	mustDo(t, err)
	w.wantCheck(t, pr, released)
	// It is saved again as it is: nobody can see that, so it must be attested again.
	later(time.Minute)
	rs.Bypass(w.carol)
	if got := w.wantCheck(t, pr, "failure"); !strings.Contains(got.Summary, "is void") || !strings.Contains(got.Summary, "countersign protect attest") {
		t.Errorf("summary:\n%s", got.Summary)
	}
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 0 {
		t.Errorf("a ruleset that was saved again as it is: %+v", list)
	}
	later(time.Minute)
	_, err = w.attestAs(t, token, "acme/attested")
	mustDo(t, err)
	w.wantCheck(t, pr, released)
	// Somebody is let through, and the App hears only that the ruleset was edited.
	later(time.Minute)
	rs.Bypass(w.carol, ghsim.Bypass{Type: "OrganizationAdmin", Mode: "always"})
	if got := w.wantCheck(t, pr, "failure"); !strings.Contains(got.Summary, "is void") {
		t.Errorf("summary:\n%s", got.Summary)
	}
	later(time.Minute)
	out, err = w.attestAs(t, token, "acme/attested")
	mustDo(t, err)
	if !strings.Contains(out, "OrganizationAdmin") {
		t.Errorf("the command says:\n%s", out)
	}
	if got := w.wantCheck(t, pr, "failure"); !strings.Contains(got.Summary, "can be bypassed by OrganizationAdmin") {
		t.Errorf("summary:\n%s", got.Summary)
	}
	if list := w.exceptions(t, repo, store.ProtectionDrift); len(list) != 1 || list[0].State != store.ExceptionOpen {
		t.Errorf("somebody was let through: %+v", list)
	}
	w.nowhere(t, token)
}

// A ruleset of the organisation is attested once for all its repositories, and the pull requests
// of each are looked at again.
func TestAttestationOfTheOrganisationsRuleset(t *testing.T) {
	t.Parallel()
	w := startInStep(t)
	one, other := w.repository("one", shopPolicy), w.repository("other", shopPolicy)
	w.org.Ruleset(w.carol, ghsim.RulesetSpec{Name: "all", Repos: []string{"one", "other"}, Rules: []ghsim.Rule{
		ghsim.RulePullRequest(1), ghsim.RuleChecks(false, ghsim.Required{Name: "countersign", App: w.app}, ghsim.Required{Name: "test", App: w.sim.Actions()}),
		ghsim.RuleNoForcePush(), ghsim.RuleNoDeletion()}})
	here, there := w.approved(w.davesPull(one, code)), w.approved(w.davesPull(other, code))
	w.wantCheck(t, here, "failure")
	w.wantCheck(t, there, "failure")
	w.later(time.Minute)
	_, err := w.attestAs(t, w.carol.Token(), "acme/one")
	mustDo(t, err)
	w.wantCheck(t, here, released)
	w.wantCheck(t, there, released)
}

// nowhere checks that a secret is in no file of the server.
func (w *acme) nowhere(t *testing.T, secret string) {
	t.Helper()
	mustDo(t, filepath.WalkDir(w.folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("%s holds the secret", name)
		}
		return err
	}))
}

// Only an owner's own token counts, and only for what it can read.
func TestWhoCannotAttest(t *testing.T) {
	t.Parallel()
	w := startInStep(t)
	repo, _ := w.rulesetRepo("not attested")
	pr := w.approved(w.davesPull(repo, code))
	w.wantCheck(t, pr, "failure")
	mallory := w.sim.User("mallory")
	elsewhere := w.sim.Org("elsewhere").Owner(mallory)
	elsewhere.Repo("shop", ghsim.RepoSpec{By: mallory, Files: map[string]string{"a": "b"}}).Ruleset(mallory, ghsim.RulesetSpec{Name: "main", Rules: []ghsim.Rule{ghsim.RuleNoDeletion()}})
	w.later(time.Minute)
	for _, c := range []struct{ name, token, repo, says string }{
		{"a member", w.alice.Token(), "acme/not-attested", "only an owner"},
		{"a stranger", mallory.Token(), "acme/not-attested", "does not show this repository"},
		{"an owner of another organisation, where the App is not installed", mallory.Token(), "elsewhere/shop", "never heard of this organisation"},
		{"an App", w.app.Token(w.org), "acme/not-attested", "token"},
		{"a token that GitHub does not know", "ghp_unknown", "acme/not-attested", "does not accept the token"},
		{"no token", "", "acme/not-attested", "GITHUB_TOKEN is not set"},
		{"not a repository", w.carol.Token(), "acme", "is no repository"}, // and asks no server
		{"classic protection only", w.carol.Token(), "acme/shop", "no ruleset applies"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := w.attestAs(t, c.token, c.repo)
			if err == nil || !strings.Contains(err.Error()+out, c.says) {
				t.Errorf("got %v, want it to say %q\n%s", err, c.says, out)
			}
		})
	}
	w.wantCheck(t, pr, "failure")
}

func TestAttestationEndpointIsStrict(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	address := "http://" + w.server.listener.Addr().String() + handlers.AttestPath
	for _, c := range []struct {
		name, method, body, origin string
		status                     int
	}{
		{"get", "GET", "", "", 405},
		{"too large", "POST", `{"repository":"` + strings.Repeat("x", 5000) + `"}`, "", 413},
		{"unknown key", "POST", `{"repository":"acme/shop","force":true}`, "", 400},
		{"not a repository", "POST", `{"repository":"acme"}`, "", 400},
		{"two documents", "POST", `{"repository":"acme/shop"}{}`, "", 400},
		{"not JSON", "POST", `repository=acme/shop`, "", 400},
		{"from a page elsewhere", "POST", `{"repository":"acme/shop"}`, "https://evil.example", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), c.method, address, strings.NewReader(c.body))
			mustDo(t, err)
			r.Header.Set("Authorization", "Bearer "+w.carol.Token())
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			}
			resp, err := http.DefaultClient.Do(r)
			mustDo(t, err)
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			mustDo(t, err)
			if resp.StatusCode != c.status {
				t.Errorf("got %d %s, want %d", resp.StatusCode, text, c.status)
			}
		})
	}
	for server, ok := range map[string]bool{"https://c.example": true, "http://127.0.0.1:8080": true, "http://localhost": true, "http://c.example": false, "c.example": false, "https://u:p@c.example": false} {
		if _, err := serverAddress(server); (err == nil) != ok {
			t.Errorf("%s: %v", server, err)
		}
	}
}

// Who sends requests slowly, or many of them, keeps no owner from attesting for long, and does
// not have GitHub asked without end.
func TestAttestationsAreBounded(t *testing.T) {
	t.Parallel()
	w := startInStep(t)
	w.rulesetRepo("bounded")
	w.later(time.Minute)
	address := w.server.listener.Addr().String()
	for range 5 {
		slow, err := net.Dial("tcp", address)
		mustDo(t, err)
		defer slow.Close()
		_, err = io.WriteString(slow, "POST "+handlers.AttestPath+" HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nContent-Length: 50\r\n\r\n{")
		mustDo(t, err)
	}
	_, err := w.attestAs(t, w.carol.Token(), "acme/bounded")
	mustDo(t, err)
	// Some are told that somebody else asks: an answer arrives before its turn is over.
	for n, refused := 0, false; !refused; n++ {
		_, err = w.attestAs(t, "ghp_unknown", "acme/bounded")
		if err == nil || n > 100 {
			t.Fatalf("attempt %d: %v", n, err)
		}
		refused = strings.Contains(err.Error(), "too many attempts")
	}
	w.later(time.Minute)
	_, err = w.attestAs(t, w.carol.Token(), "acme/bounded")
	mustDo(t, err)
}
