package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
	"github.com/countersign/countersign/gh/ghsim/published"
	"github.com/countersign/countersign/store"
)

const demoHelp = `countersign demo starts a simulated GitHub and the real server on SQLite in a temporary
folder, tells the story of the organisation acme, and keeps running so that you can act in
it: approve, push, fail a check, merge. It needs npm once, to fetch GitHub's own schema.

With --once it tells the story at full speed, checks that everything came out as told, and
exits; --json then prints one object per scenario. With --data the server's data stays in a
folder, for "countersign export" and "countersign ledger check".

example:
  countersign demo
  countersign demo --once --data demo`

// demoNoisy lets the story go on quickly; the server's own pace is in package store.
const demoNoisy = 20 * time.Millisecond

// errNotAsTold is a story that came out differently; what differs has been printed.
var errNotAsTold = errors.New("demo: not everything came out as told")

func runDemo(ctx context.Context, args []string, env environment) error {
	flags := newFlags("demo", env.stderr, demoHelp)
	once := flags.Bool("once", false, "tell the story at full speed, check it and exit")
	asJSON := flags.Bool("json", false, "with --once: print one JSON object per scenario")
	data := flags.String("data", "", "keep the database and the signing key in this `folder`, which must not hold any yet")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *asJSON && !*once {
		fmt.Fprintln(env.stderr, "countersign demo: --json goes with --once")
		return errUsage
	}
	teller := narrator{out: env.stdout, slow: !*once, silent: *asJSON}
	folder, remove, err := demoFolder(*data)
	if err != nil {
		return err
	}
	defer remove()
	return playDemo(ctx, env, teller, folder, *once, *asJSON, *data != "")
}

// demoFolder is where the server's data goes, with what removes it afterwards.
func demoFolder(keep string) (folder string, remove func(), err error) {
	if keep == "" {
		folder, err = os.MkdirTemp("", "countersign-demo-*")
		return folder, func() { os.RemoveAll(folder) }, err
	}
	if err := os.MkdirAll(keep, 0o700); err != nil {
		return "", nil, fmt.Errorf("demo: %w", err)
	}
	if have, err := os.ReadDir(keep); err != nil || len(have) > 0 {
		return "", nil, errors.Join(err, fmt.Errorf("demo: the folder %s is not empty\nhint: name one that does not exist yet", keep))
	}
	return keep, func() {}, nil
}

func playDemo(ctx context.Context, env environment, tell narrator, folder string, once, asJSON, keep bool) error {
	cache, err := published.CacheDir()
	if err != nil {
		return err
	}
	schema, err := published.Load(ctx, cache, published.GraphQLSchema)
	if err != nil {
		return fmt.Errorf("demo: the simulated GitHub runs queries over GitHub's own schema: %w", err)
	}
	world := &acme{sim: ghsim.New(ghsim.Options{Schema: schema}), folder: folder, noisy: demoNoisy}
	if !once { // somebody opens the pages
		if world.listen, err = freeAddress(); err != nil {
			return err
		}
		world.public = "http://" + world.listen
	}
	if err := world.begin(ctx); err != nil {
		return err
	}
	err = tellStory(ctx, world, env, tell, asJSON)
	if err == nil && keep {
		tell.whatToDoWith(world)
	}
	if err == nil && !once {
		tell.whereToLook(world)
		<-ctx.Done()
	}
	return errors.Join(err, world.close())
}

// freeAddress is an address of this machine that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port, errors.Join(err, l.Close())
}

// tellStory plays every scenario, compares it with what was told, and checks the log.
func tellStory(ctx context.Context, world *acme, env environment, tell narrator, asJSON bool) error {
	tell.intro(world)
	different := 0
	var pulls []pull
	for _, s := range story() {
		tell.scenario(ctx, s)
		pr := s.play(world)
		pulls = append(pulls, pr)
		if s.later > 0 {
			if err := world.settle(ctx); err != nil {
				return fmt.Errorf("demo: %s: %w", s.name, err)
			}
			world.later(s.later)
		}
		got, err := world.outcome(ctx, s.name, pr)
		if err != nil {
			return fmt.Errorf("demo: %s: %w", s.name, err)
		}
		if diff := s.want.differs(got); diff != "" {
			different++
			fmt.Fprintf(env.stderr, "demo: %s: %s\n", s.name, diff)
		}
		tell.outcome(ctx, world, pr, got)
		if asJSON {
			if err := json.NewEncoder(env.stdout).Encode(got.result); err != nil {
				return err
			}
		}
	}
	if err := tell.merges(ctx, world, pulls); err != nil {
		return err
	}
	if err := tell.ledger(ctx, world); err != nil {
		return err
	}
	if different > 0 {
		return errNotAsTold
	}
	return nil
}

// narrator prints the story for a person.
type narrator struct {
	out io.Writer
	// slow gives the reader time; silent prints nothing.
	slow, silent bool
}

func (n narrator) say(format string, args ...any) {
	if !n.silent {
		fmt.Fprintf(n.out, format+"\n", args...)
	}
}

// pause gives the reader time for what was just said.
func (n narrator) pause(ctx context.Context, d time.Duration) {
	if !n.slow {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (n narrator) intro(w *acme) {
	n.say(`
The organisation acme lets agents write code. Its policy: what an agent wrote needs the
approval of a person who neither wrote nor requested it, and tests that the agent does not
control. alice asks agents for work; bob and carol may approve.

GitHub (simulated) is at %s, Countersign at http://%s.
`, w.sim.URL(), w.server.listener.Addr())
}

func (n narrator) scenario(ctx context.Context, s scenario) {
	n.say("── %s", s.name)
	n.say("   %s", strings.ReplaceAll(s.told, "\n", "\n   "))
	n.pause(ctx, 1500*time.Millisecond)
}

func (n narrator) outcome(ctx context.Context, w *acme, pr pull, got outcome) {
	blockers := pr.Blockers()
	n.say("   %s %s#%d: %s", sign(got.Conclusion, len(blockers) > 0), got.Repository, got.Number, got.title)
	if len(blockers) > 0 {
		n.say("     GitHub does not merge it: %s", blockers[0])
	} else {
		n.say("     GitHub would merge it now.")
	}
	n.say("")
	n.pause(ctx, 1500*time.Millisecond)
}

// sign says in a word what became of a pull request. Where nothing requires our check, it is red and
// holds nobody.
func sign(conclusion string, blocked bool) string {
	switch {
	case conclusion == released:
		return "✔ released"
	case !blocked:
		return "✘ not held"
	case conclusion == held:
		return "… held"
	}
	return "✘ held"
}

func (n narrator) ledger(ctx context.Context, w *acme) error {
	if err := w.settle(ctx); err != nil {
		return err
	}
	report, err := w.server.store.Tenant(w.org.ID()).CheckLedger(ctx, func(int64, int64) {})
	if err != nil {
		return err
	}
	if report.FirstBad != nil {
		return fmt.Errorf("demo: the log does not hold at leaf %d: %s", report.FirstBad.Index, report.FirstBad.What)
	}
	n.say("Every decision is in the log of acme: %d leaves, re-hashed just now, root %s.", report.Size, report.Root)
	return nil
}

// merges has what was released merged, and something reach a branch that nothing protects.
func (n narrator) merges(ctx context.Context, w *acme, pulls []pull) error {
	n.say("── What was released is merged; in acme/sandbox dave merges what was held, and pushes to main.")
	if err := mergeReleased(ctx, w, pulls); err != nil {
		return err
	}
	found, err := w.server.store.Tenant(w.org.ID()).Exceptions(ctx, store.ExceptionFilter{Open: true})
	if err != nil {
		return err
	}
	for _, e := range found {
		n.say("   ✘ %s: %s", e.Kind, e.Reason)
	}
	n.say("")
	return nil
}

func (n narrator) whatToDoWith(w *acme) {
	n.say(`
The data is in %[1]s. Export the evidence of today, and check it without the server:

  countersign export --org acme --from %[2]s --to %[3]s --database sqlite:%[1]s/countersign.db --key %[1]s/countersign.key -o acme.zip
  countersign verify acme.zip
`, w.folder, time.Now().UTC().Format(time.DateOnly), w.now().UTC().Format(time.DateOnly))
}

func (n narrator) whereToLook(w *acme) {
	n.say(`
Now it is yours. Open %s in a browser: approve as somebody, push as an agent, fail
a check, try to merge, and watch the check run change. What Countersign made of it all is at
%s: sign in there as carol, who owns the organisation. Ctrl-C ends it; nothing is kept.
`, w.sim.URL(), w.public)
}
