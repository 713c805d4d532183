package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/gh/ghsim/published"
)

// chromium is a real browser that knows the world's server by its public name.
type chromium struct {
	t       testing.TB
	ctx     context.Context
	axe     string
	allowed []string // origins

	mu       sync.Mutex
	problems []string // what the pages did that they must not
}

// findChromium is the browser's program, or a failure with the command that installs it.
func findChromium(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("Chromium is not installed, and the pages are tested in it\nhint: apt-get install -y chromium")
	return ""
}

// openChromium starts the browser with one page.
func (w *acme) openChromium(t testing.TB) *chromium {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(findChromium(t)), chromedp.NoSandbox, chromedp.WindowSize(1280, 900),
		chromedp.Flag("host-resolver-rules", "MAP countersign.demo:80 "+w.server.listener.Addr().String()),
		// The public name is plain HTTP: it is only this machine's.
		chromedp.Flag("disable-features", "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable"))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() { stop(); stopAllocator() })
	cache, err := published.CacheDir()
	orFatal(t, err)
	axe, err := published.Load(t.Context(), cache, published.AxeCore)
	orFatal(t, err)
	c := &chromium{t: t, ctx: ctx, axe: string(axe), allowed: []string{publicURL, w.sim.URL()}}
	chromedp.ListenTarget(ctx, c.watch)
	// The browser lives as long as the context of the first run, so that one has no time of its own.
	orFatal(t, chromedp.Run(ctx, network.Enable(), log.Enable(), runtime.Enable()))
	return c
}

// watch notes what a page must not do: load from elsewhere, break its own rules, fail in a script.
func (c *chromium) watch(event any) {
	problem := ""
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		u, err := url.Parse(e.Request.URL)
		// The browser draws its own controls with pictures that are in their addresses.
		if err != nil || u.Scheme != "data" && !slices.Contains(c.allowed, u.Scheme+"://"+u.Host) {
			problem = "a request to " + e.Request.URL
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError && !strings.Contains(e.Entry.Text, "the server responded with a status of") {
			problem = "the browser says: " + e.Entry.Text
		}
	case *runtime.EventExceptionThrown:
		problem = "a script failed: " + e.ExceptionDetails.Error()
	}
	if problem != "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.problems = append(c.problems, problem)
	}
}

// wentWrong returns what was noted since it was last asked.
func (c *chromium) wentWrong() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.problems
	c.problems = nil
	return out
}

func (c *chromium) do(actions ...chromedp.Action) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var at, text string
		if chromedp.Run(c.ctx, chromedp.Location(&at), chromedp.Text("body", &text)) == nil {
			c.t.Fatalf("at %s: %v\n%s", at, err, text)
		}
		c.t.Fatal(err)
	}
}

// open goes to a page of the server, and waits until it is there.
func (c *chromium) open(path string) {
	c.t.Helper()
	c.do(chromedp.Navigate(publicURL+path), chromedp.WaitReady("main"))
}

// click follows the link or presses the button that says this.
func (c *chromium) click(text string) {
	c.t.Helper()
	c.do(chromedp.Click(fmt.Sprintf(`//*[self::a or self::button or self::summary][contains(normalize-space(.), %q)]`, text), chromedp.BySearch))
}

// see waits until the page says something, also while it leads from one page to another.
func (c *chromium) see(text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
	defer cancel()
	for {
		err := chromedp.Run(ctx, chromedp.Poll(fmt.Sprintf(`document.body?.innerText.includes(%q)`, text), nil))
		var left *cdproto.Error
		if err == nil {
			return
		}
		if !errors.As(err, &left) || ctx.Err() != nil {
			var page string
			c.do(chromedp.Text("body", &page))
			c.t.Fatalf("%q was not seen: %v\n%s", text, err, page)
		}
	}
}

// axeFinding is what axe-core finds.
type axeFinding struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML, FailureSummary string }
}

// accessible fails for what keeps people from using the page that is open, in the light and in the
// dark, where only colours differ.
func (c *chromium) accessible(page string) {
	c.t.Helper()
	c.do(chromedp.Evaluate(c.axe+";0", nil))
	for scheme, only := range map[string]string{"light": "", "dark": `, runOnly: ["color-contrast", "link-in-text-block"]`} {
		var found string
		c.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
			chromedp.Evaluate(`axe.run({resultTypes: ["violations"]`+only+`}).then(r => JSON.stringify(r.violations.filter(v => v.impact === "serious" || v.impact === "critical")))`, &found,
				func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		var findings []axeFinding
		orFatal(c.t, json.Unmarshal([]byte(found), &findings))
		for _, f := range findings {
			for _, n := range f.Nodes {
				c.t.Errorf("%s (%s): %s: %s\n%s\n%s", page, scheme, f.ID, f.Help, n.HTML, n.FailureSummary)
			}
		}
	}
}

// screenshot keeps how the page looks, for somebody who looks at it.
func (c *chromium) screenshot(name string) {
	c.t.Helper()
	cache, err := published.CacheDir()
	orFatal(c.t, err)
	folder := filepath.Join(filepath.Dir(cache), "screenshots")
	orFatal(c.t, os.MkdirAll(folder, 0o755))
	var picture []byte
	c.do(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}), chromedp.FullScreenshot(&picture, 100))
	orFatal(c.t, os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644))
}
