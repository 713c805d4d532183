package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/contract"
)

// guide is docs/getting-started.md, whose blocks a shell runs as they stand there. What a reader
// puts in is put in: the address of the server and the number of the App.
type guide struct {
	t       *testing.T
	steps   map[int]string // the text of each
	address string         // of the server
	app     int64
	env     []string
	exports string // what was exported in the terminal
}

func readGuide(t *testing.T, sim *ghsim.Sim, token string) *guide {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "docs", "getting-started.md"))
	mustDo(t, err)
	address, err := freeAddress()
	mustDo(t, err)
	g := &guide{t: t, steps: map[int]string{}, address: "http://" + address}
	for _, section := range strings.Split(string(src), "\n## ") {
		number, text, _ := strings.Cut(section, ". ")
		if n, err := strconv.Atoi(number); err == nil {
			g.steps[n] = text
		}
	}
	self, err := os.Executable()
	mustDo(t, err)
	bin := t.TempDir()
	mustDo(t, os.Symlink(self, filepath.Join(bin, "countersign")))
	gh := "#!/bin/sh\ncase \"$*\" in\n\"auth token\") echo " + token + ";;\n\"auth refresh --scopes admin:org\") ;;\n*) exit 1;;\nesac\n"
	mustDo(t, os.WriteFile(filepath.Join(bin, "gh"), []byte(gh), 0o755))
	g.env = []string{asProgram + "=1", "PATH=" + bin + ":/usr/bin:/bin", "TMPDIR=" + os.TempDir(), "COUNTERSIGN_LISTEN=" + address,
		"GITHUB_WEB_URL=" + sim.URL(), "GITHUB_V3_API_URL=" + sim.URL() + "/api/v3/", "GITHUB_V4_API_URL=" + sim.URL() + "/api/graphql"}
	return g
}

// block is the n-th block of a step in a language, from 0.
func (g *guide) block(step int, language string, n int) string {
	g.t.Helper()
	found := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```").FindAllStringSubmatch(g.steps[step], -1)
	if n >= len(found) {
		g.t.Fatalf("step %d has %d blocks of %s, want number %d", step, len(found), language, n)
	}
	return strings.NewReplacer("https://countersign.example.com", g.address, "12345", strconv.FormatInt(g.app, 10)).Replace(found[n][1])
}

// shell is the n-th block of commands of a step, to be run in a folder.
func (g *guide) shell(ctx context.Context, folder string, step, n int) *exec.Cmd {
	g.t.Helper()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", g.exports+g.block(step, "sh", n))
	cmd.Dir, cmd.Env = folder, g.env
	return cmd
}

// run runs it, and wants texts in what it prints.
func (g *guide) run(folder string, step, n int, want ...string) {
	g.t.Helper()
	out, err := g.shell(g.t.Context(), folder, step, n).CombinedOutput()
	for _, line := range regexp.MustCompile("(?m)^export .*\n").FindAllString(g.block(step, "sh", n), -1) {
		g.exports += line
	}
	if err != nil {
		g.t.Fatalf("step %d: %v\n%s", step, err, out)
	}
	for _, text := range want {
		if !strings.Contains(string(out), text) {
			g.t.Errorf("step %d does not print %q:\n%s", step, text, out)
		}
	}
}

// says fails when a step does not tell the reader that they see this.
func (g *guide) says(step int, text string) {
	g.t.Helper()
	if !strings.Contains(g.steps[step], text) {
		g.t.Errorf("step %d does not say %q", step, text)
	}
}

// serve starts the server as step 2 does, until the test ends. What it prints comes back.
func (g *guide) serve(folder string) *written {
	g.t.Helper()
	log := &written{}
	cmd := g.shell(context.Background(), folder, 2, 0)
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the shell and the server end together
	mustDo(g.t, cmd.Start())
	g.t.Cleanup(func() {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if ended := cmd.Wait(); err != nil || bytes.Contains([]byte(log.String()), []byte(`"level":"error"`)) {
			g.t.Errorf("the server ended with %v, %v\n%s", err, ended, log.String())
		}
	})
	return log
}

// From nothing to a pull request that is held, and released, as the document says it.
func TestGettingStarted(t *testing.T) {
	t.Parallel()
	sim := ghsim.New(ghsim.Options{})
	contract.Check(t, sim)
	mustDo(t, sim.Start())
	t.Cleanup(func() { mustDo(t, sim.Close()) })
	carol, alice, dave := sim.User("carol"), sim.User("alice"), sim.User("dave")
	org := sim.Org("acme").Owner(carol).Member(alice, dave)
	shop := org.Repo("shop", ghsim.RepoSpec{By: carol, Files: map[string]string{
		ciPath: "name: ci\non: pull_request\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps: [{run: make test}]\n",
	}})
	shop.Collaborator(carol, "admin").Collaborator(alice, "write").Collaborator(dave, "write")
	w := &acme{sim: sim, org: org, shop: shop}
	g, here, clone := readGuide(t, sim, carol.Token()), t.TempDir(), t.TempDir()

	// 2. The App.
	log := g.serve(here)
	var token string
	w.waitUntil(t, func() bool {
		if m := regexp.MustCompile(`"open":"` + g.address + `/setup","token":"([0-9a-f]{40})"`).FindStringSubmatch(log.String()); m != nil {
			token = m[1]
		}
		return token != ""
	})
	b := newVisitor(t)
	_, page := b.open(b.toCallback(g.address, token, "acme", sim.URL()), nil, 200)
	if !strings.Contains(page, "The App is registered") || !strings.Contains(page, "install it") {
		t.Errorf("the last page of setup:\n%s", page)
	}
	w.app = sim.AppNamed("countersign-acme")
	g.app = w.app.ID()
	w.waitUntil(t, func() bool {
		res, err := b.Get(g.address + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == 200
	})
	if strings.Count(log.String(), `"public":"`) != 1 {
		t.Errorf("the public key is not named once:\n%s", log.String())
	}
	w.app.Install(org)
	mustDo(t, sim.Drain(t.Context()))
	about, err := os.ReadFile(filepath.Join(here, "countersign-app", "app.yml"))
	mustDo(t, err)
	if !strings.Contains(string(about), fmt.Sprintf("integration_id: %d", g.app)) {
		t.Errorf("app.yml has no number of the App:\n%s", about)
	}
	for _, name := range []string{"countersign.db", "countersign.key"} {
		_, err := os.Stat(filepath.Join(here, name))
		mustDo(t, err)
		g.says(2, "`"+name+"`")
	}

	// 3. A policy that only looks.
	name := filepath.Join(".github", "countersign.yml")
	policyFile := g.block(3, "yaml", 0)
	mustDo(t, os.Mkdir(filepath.Join(clone, ".github"), 0o755))
	mustDo(t, os.WriteFile(filepath.Join(clone, name), []byte(policyFile), 0o644))
	g.run(clone, 3, 0, "fine", "audit on main", "approvals: agent 1", "validations: tests")
	bring := func(title, text string) {
		pr := shop.OpenPullRequest(ghsim.PullSpec{Title: title, Head: slug(title), Author: carol, Commits: []ghsim.Commit{{Message: title, Files: map[string]string{name: text}}}})
		mustDo(t, pr.Merge(carol, "squash"))
	}
	bring("look first", policyFile)

	// 4. The first pull request.
	first := w.davesFirst(dave)
	w.test(first, "success")
	w.waitUntil(t, func() bool {
		got := w.check(first, "countersign (audit)")
		return got.Conclusion == "neutral" && strings.Contains(got.Summary, "| The branch cannot be changed in any other way | ❌ no |")
	})
	g.says(4, "*The branch cannot be changed in any other way*")
	jar, err := cookiejar.New(nil)
	mustDo(t, err)
	sim.SignedIn(carol)
	details := strings.TrimPrefix(w.check(first, "countersign (audit)").DetailsURL, g.address)
	res, err := (&http.Client{Jar: jar}).Get(g.address + "/signin?to=" + url.QueryEscape(details))
	mustDo(t, err)
	seen, err := io.ReadAll(res.Body)
	mustDo(t, errors.Join(err, res.Body.Close()))
	if res.StatusCode != http.StatusOK || !strings.Contains(string(seen), "The branch is in audit mode") {
		t.Errorf("after signing in: got %d\n%s", res.StatusCode, seen)
	}

	// 5. What is wrong?
	g.run(here, 5, 0, "low     protection: acme/shop main")

	// 6. Enforce.
	bring("enforce", strings.Replace(policyFile, "mode: audit", "mode: enforce", 1))
	w.waitUntil(t, func() bool { return w.check(first, "countersign").Conclusion == failed })
	g.run(here, 6, 0)
	g.run(here, 6, 1, `"bypass_actors": []`, "is made")
	if len(shop.Rulesets()) != 0 {
		t.Error("it was written without being asked to")
	}
	g.run(here, 6, 2, "main can only be changed by a pull request that passes the check", "Recorded as carol", "nobody may bypass it")
	g.run(here, 6, 3)

	// 7. See it hold.
	pr := shop.OpenPullRequest(ghsim.PullSpec{Title: "Round half to even", Head: "dave/rounding", Author: dave, Commits: []ghsim.Commit{{
		Message: "round half to even\n\nCo-authored-by: Claude <noreply@anthropic.com>", Files: map[string]string{"round.go": "package round\n"}}}})
	g.says(7, "Co-authored-by: Claude <noreply@anthropic.com>")
	wants := func(status, title string) {
		t.Helper()
		w.waitUntil(t, func() bool { got := w.check(pr, "countersign"); return got.Status == status && got.Title == title })
		g.says(7, "*"+title+"*")
	}
	wants("in_progress", "Needs 1 approval from someone who did not write or request this")
	if len(pr.Blockers()) == 0 {
		t.Error("it could be merged")
	}
	pr.Approve(alice)
	w.test(pr, "success")
	wants("completed", "Everything holds")
	mustDo(t, pr.Merge(dave, "squash"))
}

// davesFirst is a pull request with nothing special about it.
func (w *acme) davesFirst(dave *ghsim.User) pull {
	return w.shop.OpenPullRequest(ghsim.PullSpec{Title: "Fix the footer", Head: "dave/footer", Author: dave,
		Commits: []ghsim.Commit{{Message: "fix the footer", Files: map[string]string{"footer.html": "<footer>\n"}}}})
}
