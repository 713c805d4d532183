package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bucket/s3sim"
	"github.com/countersign/countersign/doctor"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

// healthy is a world in which nothing is to be found.
func healthy(t *testing.T) *acme {
	w := startInStep(t)
	pinned := ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}, EnforceAdmins: true}
	w.sandbox.Protect("main", w.carol, pinned)
	w.legacy.Protect("main", w.carol, pinned)
	w.mustSettle(t)
	return w
}

// doctorEnv are the settings of the world's server, some of them other ones.
func (w *acme) doctorEnv(t *testing.T, other map[string]string) environment {
	t.Helper()
	settings, err := w.settings()
	mustDo(t, err)
	settings["COUNTERSIGN_PUBLIC_URL"] = "http://" + w.server.listener.Addr().String()
	for name, value := range other {
		settings[name] = value
	}
	return environment{getenv: func(name string) string { return settings[name] }, stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}
}

// bucketEnv are the settings of a storage's bucket, some of them other ones.
func bucketEnv(s *s3sim.Storage, other map[string]string) map[string]string {
	out := map[string]string{
		"COUNTERSIGN_BUCKET": s3sim.Bucket, "COUNTERSIGN_BUCKET_ENDPOINT": s.URL, "COUNTERSIGN_BUCKET_REGION": s3sim.Region,
		"COUNTERSIGN_BUCKET_ACCESS_KEY_ID": s3sim.AccessKeyID, "COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY": s3sim.Secret, "COUNTERSIGN_BUCKET_RETENTION": "2y",
	}
	maps.Copy(out, other)
	return out
}

// planted is one defect and how it is to be found.
type planted struct {
	check, subject, severity string
	what                     string // part of what is said
}

// wantFound looks for what was planted. Each finding says what to do.
func wantFound(t *testing.T, r doctor.Report, want ...planted) {
	t.Helper()
	for _, p := range want {
		found := false
		for _, f := range r.Findings {
			found = found || f.Check == p.check && f.Severity == p.severity && strings.Contains(f.Subject, p.subject) && strings.Contains(f.What, p.what)
		}
		if !found {
			t.Errorf("not found: %+v", p)
		}
	}
	for _, f := range r.Findings {
		if f.Remedy == "" || f.What == "" || f.Subject == "" {
			t.Errorf("it does not say what to do: %+v", f)
		}
	}
	if t.Failed() {
		var out bytes.Buffer
		printExamination(&out, r)
		t.Log(out.String())
	}
}

func TestDoctorOfAHealthyWorld(t *testing.T) {
	t.Parallel()
	w := healthy(t)
	locked, plain := s3sim.New(t), s3sim.New(t)
	plain.Be(s3sim.Behaviour{NoLock: true})
	env := w.doctorEnv(t, bucketEnv(locked, nil))
	if err := runDoctor(t.Context(), nil, env); err != nil {
		t.Fatalf("%v\n%s", err, env.stdout)
	}
	for _, want := range []string{"1 organisations, 4 repositories and 4 enrolled branches were looked at; 0 findings", "acme/shop main: classic branch protection: nobody", "arrived", "it is versioned and has object lock; bundles are locked for 2y in the mode compliance"} {
		if !strings.Contains(env.stdout.(*bytes.Buffer).String(), want) {
			t.Errorf("it does not say %q:\n%s", want, env.stdout)
		}
	}
	if len(locked.Objects()) > 0 {
		t.Errorf("it put %v into the bucket", locked.Objects())
	}
	// It changed nothing.
	for route := range w.sim.RequestCounts() {
		if strings.HasPrefix(route, "P") && route != "POST /graphql" && !strings.Contains(route, "access_tokens") {
			t.Errorf("it asked for %s", route)
		}
	}

	for _, c := range []struct {
		name string
		env  map[string]string
		want planted
	}{
		{"no settings", map[string]string{"GITHUB_APP_WEBHOOK_SECRET": ""}, planted{"settings", "GITHUB_APP_WEBHOOK_SECRET", doctor.High, "is not set"}},
		{"not a key", map[string]string{"GITHUB_APP_PRIVATE_KEY": "x"}, planted{"app-key", "GITHUB_APP_PRIVATE_KEY", doctor.High, "cannot be used"}},
		{"another App's key", map[string]string{"GITHUB_APP_INTEGRATION_ID": "15368"}, planted{"app-key", "GITHUB_APP_INTEGRATION_ID", doctor.High, "does not accept"}},
		{"no GitHub", map[string]string{"GITHUB_V3_API_URL": "http://127.0.0.1:1/", "GITHUB_V4_API_URL": "http://127.0.0.1:1/"}, planted{"github", "GITHUB_V3_API_URL", doctor.High, "not reached"}},
		{"no database", map[string]string{"COUNTERSIGN_DATABASE_URL": "sqlite:" + filepath.Join(t.TempDir(), "gone.db")}, planted{"database", "COUNTERSIGN_DATABASE_URL", doctor.Medium, "no database yet"}},
		{"not a database", map[string]string{"COUNTERSIGN_DATABASE_URL": "sqlite:" + t.TempDir()}, planted{"database", "COUNTERSIGN_DATABASE_URL", doctor.High, "is not a file"}},
		{"no signing key", map[string]string{"COUNTERSIGN_SIGNING_KEY_FILE": "gone.key"}, planted{"signing-key", "COUNTERSIGN_SIGNING_KEY_FILE", doctor.High, "no key"}},
		{"no server", map[string]string{"COUNTERSIGN_PUBLIC_URL": "http://127.0.0.1:1"}, planted{"public-url", "COUNTERSIGN_PUBLIC_URL", doctor.High, "not reached"}},
		{"another server", map[string]string{"COUNTERSIGN_PUBLIC_URL": w.sim.URL()}, planted{"public-url", "COUNTERSIGN_PUBLIC_URL", doctor.High, "answered with 404"}},
		{"a bucket without object lock", bucketEnv(plain, nil), planted{"bucket", "COUNTERSIGN_BUCKET", doctor.High, "has no object lock"}},
		{"a bucket of somebody else", bucketEnv(plain, map[string]string{"COUNTERSIGN_BUCKET_SECRET_ACCESS_KEY": "another"}), planted{"bucket", "COUNTERSIGN_BUCKET", doctor.High, "its secret is another one"}},
		{"half a bucket", map[string]string{"COUNTERSIGN_BUCKET_RETENTION": "1y"}, planted{"settings", "COUNTERSIGN_BUCKET", doctor.High, "is not set"}},
		{"webhook elsewhere", map[string]string{"COUNTERSIGN_PUBLIC_URL": w.sim.URL()}, planted{"webhook", "countersign", doctor.High, "GitHub sends to"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings, err := examined(w.doctorEnv(t, c.env), "", "nobody") // which spares us the repositories
			mustDo(t, err)
			wantFound(t, doctor.Examine(t.Context(), settings), c.want)
		})
	}
}

// Nothing is well because it could not be read, whatever it is. That there is no policy may be so.
func TestDoctorOfWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	w := healthy(t)
	team := w.org.Team("core", w.alice, w.bob)
	w.shop.TeamRole(team, "write")
	w.shop.Unprotect("main", w.carol)
	w.shop.Push("main", w.carol, ghsim.Commit{Message: "A team", Files: map[string]string{policy.Path: shopPolicy + "paths:\n  - {match: [\"a/**\"], teams: [acme/core]}\n"}})
	w.shop.Protect("main", w.carol, ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}, EnforceAdmins: true})
	w.mustSettle(t)
	settings, err := examined(w.doctorEnv(t, nil), "", "acme")
	mustDo(t, err)
	w.sim.ResetRequests()
	if r := doctor.Examine(t.Context(), settings); r.AboveLow() > 0 {
		wantFound(t, r, planted{})
	}
	reads := w.sim.RequestCounts()
	for read := range reads {
		fault := ghsim.Fault{Route: read, Status: 403}
		if strings.Contains(read, "no such route") { // the clock is asked for at GitHub's root, whatever that says
			continue
		}
		repair := w.sim.Faults.Add(fault)
		r := doctor.Examine(t.Context(), settings)
		repair()
		if r.AboveLow() == 0 {
			t.Errorf("%s is refused, and all is said to be well: %+v", read, r.Findings)
		}
	}
	for _, read := range []string{"GET /app/hook/config", "GET /app/installations", "GET /repos/{owner}/{repo}/branches"} {
		if reads[read].Requests == 0 {
			t.Errorf("%s was not asked for", read)
		}
	}
	// A policy that was enforced and is not there any more is no low matter.
	repair := w.sim.Faults.Add(ghsim.Fault{Route: "GET /repos/{owner}/{repo}/contents/{path...}", Status: 404})
	defer repair()
	wantFound(t, doctor.Examine(t.Context(), settings), planted{"policy", "acme/shop", doctor.High, "is gone"})
}

// What is wrong on this machine.
func TestDoctorOfAnUnwellMachine(t *testing.T) {
	t.Parallel()
	w := healthy(t)
	folder := t.TempDir()
	other, _, err := ledger.GenerateKey(rand.Reader, "countersign.demo")
	mustDo(t, err)
	key, certificate, tlsKey := filepath.Join(folder, "other.key"), filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	mustDo(t, os.WriteFile(key, []byte(other), 0o600))
	mustDo(t, os.Chmod(key, 0o644))
	writeCertificate(t, certificate, tlsKey)
	mustDo(t, os.Chmod(tlsKey, 0o640))
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	w.untested("so that a checkpoint is signed")
	_, rs := w.rulesetRepo("attested")
	w.later(time.Minute)
	_, err = w.attestAs(t, w.carol.Token(), "acme/attested")
	mustDo(t, err)
	w.mustSettle(t)

	settings, err := examined(w.doctorEnv(t, map[string]string{
		"COUNTERSIGN_SIGNING_KEY_FILE": key, "COUNTERSIGN_TLS_CERTIFICATE_FILE": certificate, "COUNTERSIGN_TLS_KEY_FILE": tlsKey,
		"COUNTERSIGN_PUBLIC_URL": strings.Replace(stranger.URL, "127.0.0.1", "localhost", 1),
	}), "", "")
	mustDo(t, err)
	settings.Now = func() time.Time { return w.now().Add(25 * 24 * time.Hour) }
	settings.Free = func(string) (int64, error) { return 10 << 20, nil }
	wantFound(t, doctor.Examine(t.Context(), settings),
		planted{"clock", "this machine", doctor.High, "600h"},
		planted{"database-space", "countersign.db", doctor.High, "10 MiB"},
		planted{"signing-key", "acme", doctor.High, "Another key"},
		planted{"file-mode", "COUNTERSIGN_SIGNING_KEY_FILE", doctor.High, "0644"},
		planted{"file-mode", "COUNTERSIGN_TLS_KEY_FILE", doctor.Low, "0640"},
		planted{"tls", "COUNTERSIGN_TLS_CERTIFICATE_FILE", doctor.High, "ended"},
		planted{"tls", "COUNTERSIGN_TLS_CERTIFICATE_FILE", doctor.Medium, "not one for the public address"},
		planted{"public-url", "COUNTERSIGN_PUBLIC_URL", doctor.High, "certificate"},
		planted{"bypass", "acme/attested main", doctor.Low, "carol attested"},
		planted{"deliveries", "countersign", doctor.Low, "nothing in three days"},
	)
	settings.Now = func() time.Time { return w.now().Add(time.Minute) }
	w.later(time.Minute) // GitHub's times of rulesets have whole seconds
	rs.Bypass(w.carol, ghsim.Bypass{Type: "OrganizationAdmin", Mode: "always"})
	w.mustSettle(t)
	voided := doctor.Examine(t.Context(), settings)
	wantFound(t, voided, planted{"bypass", "acme/attested main", doctor.High, "is void"})
	if !strings.Contains(fmt.Sprint(voided.Findings), "protect attest --server https://localhost") {
		t.Error("it does not say which command renews the attestation")
	}
	settings.Organisation = "nobody"
	settings.Now = func() time.Time { return w.now().Add(10 * time.Second) }
	settings.Free = func(string) (int64, error) { return 1 << 30, nil }
	wantFound(t, doctor.Examine(t.Context(), settings),
		planted{"clock", "this machine", doctor.Medium, "10s"},
		planted{"database-space", "countersign.db", doctor.Medium, "1024 MiB"},
	)
}

// Every defect that can be on GitHub is in one world, and each is found.
func TestDoctorOfAnUnwellWorld(t *testing.T) {
	t.Parallel()
	w := healthy(t)
	protect := func(name string, p ghsim.Protection) *ghsim.Repo {
		repo := w.repository(name, shopPolicy)
		repo.Protect("main", w.carol, p)
		return repo
	}
	ours := []ghsim.Required{{Name: "countersign", App: w.app}}
	well := ghsim.Protection{Approvals: 1, Checks: ours, EnforceAdmins: true}
	w.repository("unprotected", shopPolicy)
	w.repository("careful", strings.Replace(shopPolicy, "enforce", "audit", 1))
	protect("unpinned", ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{{Name: "countersign"}}, EnforceAdmins: true})
	protect("pinned-elsewhere", ghsim.Protection{Approvals: 1, Checks: []ghsim.Required{{Name: "countersign", App: w.devin}}, EnforceAdmins: true})
	protect("bypassed", ghsim.Protection{Approvals: 1, Checks: ours, EnforceAdmins: true, MayBypassReview: []ghsim.Actor{w.dave}})
	protect("admins", ghsim.Protection{Approvals: 1, Checks: ours})
	w.rulesetRepo("hidden")
	w.repository("broken", "version: 1\nmode: strict\n")
	w.org.Repo("bare", ghsim.RepoSpec{})
	w.repository("nowhere", strings.Replace(shopPolicy, "[main]", "[trunk]", 1))
	stray := w.repository("stray", strings.Replace(shopPolicy, "[main]", `[main, "release/*"]`, 1))
	stray.Protect("main", w.carol, well)
	stray.Push("release/1", w.carol, ghsim.Commit{Message: "No policy here", Delete: []string{policy.Path}})

	erin, frank := w.sim.User("erin"), w.sim.UserOf(ghsim.UserSpec{Login: "fixer", ID: 424242})
	w.org.Team("readers", erin)
	w.org.Team("single", w.alice, erin)
	w.org.Team("mixed", w.alice, w.bob, frank)
	manned := w.repository("manned", shopPolicy+`agents:
  - {name: fixer, kind: ai-agent, ids: [424242]}
paths:
  - {match: ["a/**"], teams: [acme/ghosts]}
  - {match: ["b/**"], teams: [acme/readers]}
  - {match: ["c/**"], teams: [acme/single]}
  - {match: ["d/**"], teams: [acme/mixed]}
`)
	manned.Protect("main", w.carol, well)
	manned.PostStatus(w.dave, manned.Head("main"), "countersign", "success")
	manned.PostCheckRun(w.devin, manned.Head("main"), "countersign (audit)", "success")
	forged := w.davesPull(manned, code)
	manned.PostCheckRun(w.devin, forged.HeadSHA(), "countersign", "success")
	w.mustSettle(t)

	strict := w.sim.Org("strict").Owner(w.carol)
	strict.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nreview:\n  human: {approvals: 2}\n"}})
	strict.Repo("lax", ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: "version: 1\nmode: enforce\nbranches: [main]\nreview:\n  human: {approvals: 1}\n"}})
	floor := w.sim.Org("floor").Owner(w.carol)
	floor.Repo(policy.OrganisationRepository, ghsim.RepoSpec{By: w.carol, Files: map[string]string{policy.Path: "version: 7\n"}})
	sleepy := w.app.Install(w.sim.Org("sleepy"))
	w.app.Install(strict)
	w.app.Install(floor)
	w.mustSettle(t)

	// Last of all, what keeps the server from hearing of the rest.
	w.app.Install(w.org).Grant("deployments", "")
	sleepy.Suspend()
	w.app.Ask("administration", "", "team", false)
	w.app.Ask("contents", "write", "team", false)
	w.app.MisconfigureHook(true, true)
	w.app.Hooks().Drop(func(event, _ string) bool { return event == "issues" })
	w.shop.OpenIssue(w.alice, "Nobody hears of it", "")
	mustDo(t, w.sim.Drain(t.Context()))
	address := "http://" + w.server.listener.Addr().String() + handlers.HookPath
	w.app.Hook(address, "")

	env := w.doctorEnv(t, nil)
	err := runDoctor(t.Context(), []string{"--json"}, env)
	var unwell errUnwell
	if !errors.As(err, &unwell) || unwell < 20 {
		t.Errorf("got %v", err)
	}
	var r doctor.Report
	mustDo(t, json.Unmarshal(env.stdout.(*bytes.Buffer).Bytes(), &r))
	wantFound(t, r,
		planted{"app-permission", "countersign", doctor.High, "administration is missing"},
		planted{"app-permission", "countersign", doctor.Low, "write contents"},
		planted{"app-event", "countersign", doctor.High, "event team"},
		planted{"webhook", "countersign", doctor.High, `"form"`},
		planted{"webhook", "countersign", doctor.High, "not signed"},
		planted{"webhook", "countersign", doctor.Medium, "without looking"},
		planted{"deliveries", "countersign", doctor.High, "issues at"},
		planted{"installation-permission", "acme", doctor.High, "deployments is missing"},
		planted{"installation", "sleepy", doctor.High, "suspended"},
		planted{"policy", "floor/.github", doctor.High, "version"},
		planted{"policy", "strict/lax main", doctor.Low, "in vain"},
		planted{"protection", "strict/lax main", doctor.High, "pull requests are not required"},
		planted{"protection", "acme/unprotected main", doctor.High, "pull requests are not required"},
		planted{"protection", "acme/careful main", doctor.Low, "audit mode"},
		planted{"protection", "acme/unpinned main", doctor.High, "from any source"},
		planted{"protection", "acme/pinned-elsewhere main", doctor.High, "and not from this App"},
		planted{"protection", "acme/bypassed main", doctor.High, "dave"},
		planted{"protection", "acme/admins main", doctor.High, "administrators are not bound"},
		planted{"bypass", "acme/hidden main", doctor.High, "could not be read"},
		planted{"policy", "acme/broken main", doctor.High, "line 2"},
		planted{"policy", "acme/bare", doctor.Low, "no policy"},
		planted{"policy", "acme/nowhere", doctor.Low, "no branch"},
		planted{"policy", "acme/stray release/1", doctor.High, "its own policy does not"},
		planted{"team", "acme/ghosts", doctor.High, "none of that name"},
		planted{"team", "acme/readers", doctor.High, "Nobody in the team"},
		planted{"team", "acme/single", doctor.Medium, "Only alice"},
		planted{"team", "acme/mixed", doctor.Low, "fixer is in the team"},
		planted{"impostor-check", "acme/manned main", doctor.Medium, "dave"},
		planted{"impostor-check", "acme/manned main", doctor.Medium, "the App devin-ai-integration"},
		planted{"impostor-check", "acme/manned#1", doctor.Medium, "devin-ai-integration"},
	)
	if r.Organisations != 4 || r.Findings[0].Severity != doctor.High || r.Findings[len(r.Findings)-1].Severity != doctor.Low {
		t.Errorf("%d organisations; the findings are not ordered by severity", r.Organisations)
	}
	for _, f := range r.Findings {
		if strings.HasPrefix(f.Subject, "acme/shop") {
			t.Errorf("found where nothing is wrong: %+v", f)
		}
	}
}
