package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign/countersign"
	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/published"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// asProgram is the variable that makes the test binary the program itself.
const asProgram = "COUNTERSIGN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asProgram) != "":
		main()
	case os.Getenv(asVictim) != "":
		beVictim()
	}
	os.Exit(m.Run())
}

// process is the demo's world with `countersign serve` as a process of its own, which can
// be killed, and whose CPU time is not mixed with the simulator's.
type process struct {
	*acme
	url  string // of the server
	env  []string
	cmd  *exec.Cmd     // nil while it does not run
	dead chan struct{} // closed when it has ended
	http *http.Client
}

// startProcess makes the world and starts the server; settings are added to its environment.
func startProcess(t testing.TB, settings ...string) *process {
	t.Helper()
	p := newProcess(t)
	p.configure(t, append(settings, asProgram+"=1"))
	p.start(t)
	p.populate()
	return p
}

// newProcess makes the world, with the App in it and nothing else. The simulated GitHub goes by the
// clock that later moves.
func newProcess(t testing.TB) *process {
	t.Helper()
	p := &process{
		acme: &acme{folder: t.TempDir(), at: databaseOf(t), noisy: fast},
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}},
	}
	p.sim = plentifulSim(t, p.now)
	orFatal(t, p.sim.Start())
	manifest, err := countersign.ReadManifest()
	orFatal(t, err)
	manifest.Permissions["issues"] = "write" // where exceptions are kept as issues
	p.app = p.sim.App(ghsim.AppSpec{Slug: "countersign", Permissions: manifest.Permissions, Events: manifest.Events})
	t.Cleanup(func() { p.end(t) })
	return p
}

// populate makes the organisation, of which the server hears.
func (p *process) populate() {
	p.app.Hook(p.url+handlers.HookPath, hookSecret)
	p.people()
	p.repositories()
}

// plentifulSim has a rate limit that no benchmark reaches.
func plentifulSim(t testing.TB, clock func() time.Time) *ghsim.Sim {
	t.Helper()
	dir, err := published.CacheDir()
	orFatal(t, err)
	schema, err := published.Load(t.Context(), dir, published.GraphQLSchema)
	orFatal(t, err)
	return ghsim.New(ghsim.Options{Schema: schema, Clock: clock, RateLimit: 1 << 30})
}

func orFatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// configure makes the environment of the server, with a port that was free just now.
func (p *process) configure(t testing.TB, extra []string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	orFatal(t, err)
	address := listener.Addr().String()
	orFatal(t, listener.Close())
	settings, err := p.settings()
	orFatal(t, err)
	settings["COUNTERSIGN_LISTEN"] = address
	p.url = "http://" + address
	p.env = os.Environ()
	for name, value := range settings {
		p.env = append(p.env, name+"="+value)
	}
	p.env = append(p.env, extra...)
}

// launch starts the process, again after its end on the same data and port.
func (p *process) launch(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(p.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	orFatal(t, err)
	defer log.Close() // the process has its own handle
	cmd := exec.Command(os.Args[0], "serve")
	cmd.Env, cmd.Stderr = p.env, log
	p.run(t, cmd)
}

func (p *process) run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	orFatal(t, cmd.Start())
	dead := make(chan struct{})
	go func() {
		_ = cmd.Wait() // kill and terminate look at how it ended
		close(dead)
	}()
	p.cmd, p.dead = cmd, dead
}

// strike ends the process that runs now as kill -9 does, and returns when it is dead: a process may
// still do something after it was killed.
func (p *process) strike() (strike func()) {
	cmd, dead := p.cmd, p.dead
	return func() {
		_ = cmd.Process.Kill()
		<-dead
	}
}

func (p *process) logFile() string { return filepath.Join(p.folder, "server.log") }

// start launches the process and waits until it takes deliveries.
func (p *process) start(t testing.TB) {
	t.Helper()
	p.launch(t)
	p.waitUntil(t, p.ready)
}

// ready says whether the process takes deliveries.
func (p *process) ready() bool {
	res, err := p.http.Get(p.url + "/readyz")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// kill ends the process as kill -9 does.
func (p *process) kill(t testing.TB) {
	t.Helper()
	p.strike()()
	ended := p.cmd.ProcessState
	p.cmd = nil
	if ended.Exited() {
		log, _ := os.ReadFile(p.logFile())
		t.Fatalf("the server ended by itself: %v\n%s", ended, log)
	}
}

// died says whether the process has ended.
func (p *process) died() bool {
	select {
	case <-p.dead:
		return true
	default:
		return false
	}
}

// terminate ends the process in good order.
func (p *process) terminate(t testing.TB) {
	t.Helper()
	orFatal(t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.dead
	ended := p.cmd.ProcessState
	p.cmd = nil
	if !ended.Success() {
		log, _ := os.ReadFile(p.logFile())
		t.Errorf("the server did not stop in good order: %v\n%s", ended, log)
	}
}

func (p *process) end(t testing.TB) {
	if p.cmd != nil && !p.died() {
		p.terminate(t)
	}
	switch {
	case p.stop != nil: // the server in this process
		p.stop()
		orFatal(t, <-p.stopped)
	case p.server != nil:
		orFatal(t, p.server.store.Close())
	}
	orFatal(t, p.sim.Close())
}

// watch opens the server's database beside it, so that settle and its like can look at it.
func (p *process) watch(t testing.TB) {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(p.folder, "countersign.key"))
	orFatal(t, err)
	key, err := ledger.ParseKey(string(secret))
	orFatal(t, err)
	st, err := store.OpenExisting(t.Context(), store.Options{
		URL: p.database(), Verifiers: []note.Verifier{key.Verifier()}, Now: p.now,
	})
	orFatal(t, err)
	p.server = &server{store: st}
}

// cpu is the CPU time that the process has used so far.
func (p *process) cpu(t testing.TB) time.Duration {
	t.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/stat")
	if err != nil {
		t.Fatalf("the CPU time of another process is read from /proc, as on Linux: %v", err)
	}
	// After the name in parentheses: user and system time are the 12th and 13th field, in
	// hundredths of a second on every Linux.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	ticks := 0
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		orFatal(t, err)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// ownCPU is the CPU time of this process: simulator and load.
func ownCPU(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	orFatal(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// send delivers a payload of the simulator's under an id of its own, as GitHub does. It
// returns the status of the answer.
func (p *process) send(ctx context.Context, d ghsim.Delivery, id string) (int, error) {
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(d.Payload)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+handlers.HookPath, bytes.NewReader(d.Payload))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-GitHub-Event", d.Event)
	req.Header.Set("X-GitHub-Delivery", id)
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := p.http.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, errors.Join(err, res.Body.Close())
}

// protected makes a repository like acme/shop.
func (w *acme) protected(name string) *ghsim.Repo {
	repo := w.repository(name, shopPolicy)
	repo.Protect("main", w.carol, ghsim.Protection{
		Approvals: 1, Checks: []ghsim.Required{{Name: "countersign", App: w.app}}, EnforceAdmins: true,
	})
	return repo
}

// pulls opens n pull requests of Copilot's over four repositories, their tests green, and
// waits until all of them are decided.
func (w *acme) pulls(t testing.TB, n int) []pull {
	t.Helper()
	repos := []*ghsim.Repo{w.shop, w.protected("desk"), w.protected("till"), w.protected("depot")}
	var list []pull
	for i := range n {
		list = append(list, w.copilotPullIn(repos[i%len(repos)], fmt.Sprintf("change %d", i)))
		if i%25 == 24 || i == n-1 {
			w.mustSettle(t)
		}
	}
	return list
}
