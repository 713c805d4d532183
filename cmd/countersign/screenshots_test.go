//go:build screenshots

package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	pictures "image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/gh/ghsim"
)

// Pictures in the guides are this wide, and none is larger than maxPicture.
const (
	pictureWidth = 1100
	maxPicture   = 150_000
)

var imagesFolder = filepath.Join("..", "..", "docs", "images")

// The pictures in docs/images, of the organisation that the demo tells of. `make screenshots`
// writes them; whoever runs it looks at each.
func TestScreenshots(t *testing.T) {
	mustDo(t, os.MkdirAll(imagesFolder, 0o755))
	w := startAcme(t, fast)
	told := w.tellAll(t)
	c := w.openChromium(t)
	c.do(emulation.SetDeviceMetricsOverride(pictureWidth, 300, 1, false),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "light"}}))

	requester := told["agent-approved-by-requester"]
	c.do(chromedp.Navigate(w.sim.URL()+"/"+requester.Repo().FullName()+fmt.Sprintf("/pull/%d", requester.Number())), chromedp.WaitReady("body"))
	c.picture("check-run", "", "Can it be merged?")

	c.open(changePage(told["agent-approved-then-pushed"]))
	c.click("Sign in with GitHub")
	c.click("carol")
	c.see("Who is behind it")
	c.picture("change", "", "Who is behind it")

	c.open("/orgs/acme/overview")
	c.picture("overview", "", "Now")
	c.open("/orgs/acme/exceptions")
	c.picture("exceptions", "", "")
	c.open("/orgs/acme/protection")
	c.picture("protection", "", "")

	c.open("/orgs/acme/policy/try")
	c.do(chromedp.SetValue("textarea", strings.Replace(shopPolicy, "agent: {approvals: 1}", "agent: {approvals: 2}", 1)),
		chromedp.SetValue(`input[name="repository"]`, "acme/shop"))
	c.click("Check and try")
	c.see("Decisions made again")
	c.picture("tried-policy", "What it would have changed", "")

	c.open("/orgs/acme/evidence")
	today := w.now().UTC().Format(time.DateOnly)
	c.do(chromedp.SetValue(`input[name="from"]`, today), chromedp.SetValue(`input[name="to"]`, today))
	c.click("See what it would say")
	c.see("Is everything there?")
	c.click("Make the bundle")
	c.see("SHA-256 of its manifest.json")
	c.picture("evidence", "", "Is it sealed?")

	folder := c.unpack(t)
	c.do(chromedp.Navigate("file://"+filepath.Join(folder, "index.html")), chromedp.WaitReady("body"))
	c.picture("bundle", "", "Population")
}

// tellAll has the demo's story happen, what was released merged, and an emergency.
func (w *acme) tellAll(t *testing.T) map[string]pull {
	t.Helper()
	told := map[string]pull{}
	var pulls []pull
	for _, s := range story() {
		pr := s.play(w)
		w.mustSettle(t)
		w.later(s.later)
		w.mustSettle(t)
		told[s.name] = pr
		pulls = append(pulls, pr)
	}
	orFatal(t, mergeReleased(t.Context(), w, pulls))
	erin := w.onCall(t)
	repo := w.guardedRepo("checkout", shopPolicy+"emergency: {team: acme/oncall, via: [session, comment]}\n")
	urgent := repo.OpenPullRequest(ghsim.PullSpec{Title: "Take the new payment form out again", Head: "dave/payment-form", Author: w.dave,
		Commits: []ghsim.Commit{{Message: "take the new payment form out", Files: map[string]string{"form.go": "package form\n"}}}})
	w.test(urgent, "success")
	w.mustSettle(t)
	urgent.Comment(erin, "/countersign emergency "+urgent.HeadSHA()[:8]+" INC-7 nobody can pay, and this brings it back")
	w.mustSettle(t)
	told["emergency"] = urgent
	return told
}

// unpack downloads the bundle that the page offers, and unpacks it into a folder.
func (c *chromium) unpack(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	ended := make(chan struct{})
	chromedp.ListenTarget(c.ctx, func(event any) {
		if e, ok := event.(*cdbrowser.EventDownloadProgress); ok && e.State == cdbrowser.DownloadProgressStateCompleted {
			close(ended)
		}
	})
	c.do(cdbrowser.SetDownloadBehavior(cdbrowser.SetDownloadBehaviorBehaviorAllow).WithDownloadPath(folder).WithEventsEnabled(true))
	c.click("Download (")
	<-ended
	files, err := filepath.Glob(filepath.Join(folder, "*.zip"))
	mustDo(t, err)
	if len(files) != 1 {
		t.Fatalf("downloaded %v, want one bundle", files)
	}
	z, err := zip.OpenReader(files[0])
	mustDo(t, err)
	defer z.Close()
	for _, f := range z.File {
		in, err := f.Open()
		mustDo(t, err)
		content, err := io.ReadAll(in)
		mustDo(t, err)
		to := filepath.Join(folder, filepath.FromSlash(f.Name))
		mustDo(t, os.MkdirAll(filepath.Dir(to), 0o755))
		mustDo(t, os.WriteFile(to, content, 0o644))
	}
	return folder
}

// picture keeps the page from one heading to the one after what is to be seen; empty: from its
// beginning, to its end.
func (c *chromium) picture(name, from, to string) {
	c.t.Helper()
	const place = `(() => { const f = h => [...document.querySelectorAll("h1, h2, h3")].find(e => e.textContent.includes(h));
const from = %q, to = %q, body = document.documentElement;
return [from ? f(from).getBoundingClientRect().top + scrollY - 12 : 0, to && f(to) ? f(to).getBoundingClientRect().top + scrollY - 12 : body.scrollHeight] })()`
	var span []float64
	var raw []byte
	c.do(chromedp.Evaluate(fmt.Sprintf(place, from, to), &span))
	c.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		raw, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).WithClip(&page.Viewport{Y: span[0], Width: pictureWidth, Height: span[1] - span[0], Scale: 1}).Do(ctx)
		return err
	}))
	full, err := png.Decode(bytes.NewReader(raw))
	orFatal(c.t, err)
	var small bytes.Buffer
	orFatal(c.t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, fewColours(full)))
	c.t.Logf("%s: %d bytes, %s", name, small.Len(), full.Bounds().Max)
	if small.Len() > maxPicture {
		c.t.Errorf("%s has %d bytes, at most %d are wanted", name, small.Len(), maxPicture)
	}
	orFatal(c.t, os.WriteFile(filepath.Join(imagesFolder, name+".png"), small.Bytes(), 0o644))
}

// fewColours is a picture with the 256 colours that it has most of: text and flat areas have few.
func fewColours(full pictures.Image) pictures.Image {
	size := full.Bounds()
	at := func(x, y int) color.NRGBA { return color.NRGBAModel.Convert(full.At(x, y)).(color.NRGBA) }
	times := map[color.NRGBA]int{}
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			times[at(x, y)]++
		}
	}
	most := slices.SortedFunc(maps.Keys(times), func(a, b color.NRGBA) int { return times[b] - times[a] })
	var palette color.Palette
	for _, c := range most[:min(len(most), 256)] {
		palette = append(palette, c)
	}
	index := map[color.NRGBA]uint8{}
	for c := range times {
		index[c] = uint8(palette.Index(c))
	}
	out := pictures.NewPaletted(size, palette)
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return out
}
