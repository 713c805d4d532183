package evidence

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// protectedLog is a log about the branch main of repository 7: protected at noon, not any more at
// one, protected again at two.
func protectedLog(t *testing.T) *findings {
	t.Helper()
	c := contents{origin: "log.example/7", query: Query{From: noon.Add(30 * time.Minute), To: noon.Add(90 * time.Minute)}}
	for i, r := range []struct{ kind, body string }{
		{leafProtection, `{"v":1,"repository_id":7,"repository":"acme/shop","ref":"main","holds":"yes","since":"2026-03-02T12:00:00Z","settings":{"ref":"main"}}`},
		{leafProtection, `{"v":1,"repository_id":7,"repository":"acme/shop","ref":"main","holds":"no","why":"Force pushes are allowed.","since":"2026-03-02T13:00:00Z","settings":{"ref":"main","a":1}}`},
		{leafProtection, `{"v":1,"repository_id":7,"repository":"acme/shop","ref":"main","holds":"yes","since":"2026-03-02T14:00:00Z","settings":{"ref":"main"}}`},
		{leafProtection, `{"v":1,"repository_id":8,"repository":"acme/other","ref":"main","holds":"unknown","since":"2026-03-02T12:00:00Z","settings":{"ref":"main"}}`},
		{leafProtection, `{"v":1,"repository_id":10,"repository":"acme/old","ref":"main","holds":"no","since":"2026-03-02T11:00:00Z","settings":{}}`},
		{leafProtection, `{"v":1,"repository_id":10,"repository":"acme/old","ref":"main","holds":"yes","since":"2026-03-02T12:30:00Z","settings":{}}`},
		{leafAttest, `{"v":1,"ruleset_id":5,"ruleset":"=guard","source":"Organization acme","at":"2026-03-02T12:10:00Z","actors":[{"type":"Team","id":3,"mode":"always"}],"by_id":2,"by_login":"olga"}`},
		{leafAttest, `{"v":1,"ruleset_id":6,"ruleset":"late","source":"Organization acme","at":"2026-03-02T15:10:00Z","actors":[],"by_id":2,"by_login":"olga"}`},
	} {
		if err := c.record(ledger.Leaf{V: 1, Kind: r.kind, Seq: int64(i), RecordedAt: noon}, []byte(r.body)); err != nil {
			t.Fatal(err)
		}
	}
	f, err := c.derive("acme", "https://github.example", recordedDecisions{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestProtectionOfThePeriod(t *testing.T) {
	f := protectedLog(t)
	var got []string
	for _, row := range protectionTable(f.protections, f.query).rows {
		got = append(got, strings.Join([]string{row[3], row[5], row[6], row[7]}, " "))
	}
	want := "acme/shop 2026-03-02T12:00:00Z 2026-03-02T13:00:00Z yes, acme/shop 2026-03-02T13:00:00Z 2026-03-02T14:00:00Z no, acme/other 2026-03-02T12:00:00Z  unknown, acme/old 2026-03-02T12:30:00Z  yes"
	if strings.Join(got, ", ") != want {
		t.Errorf("protection of the period:\ngot  %s\nwant %s", strings.Join(got, ", "), want)
	}
	attested, err := attestedTable(f.attested, f.query).csv()
	if err != nil || !strings.Contains(string(attested), ",'=guard,Organization acme,,Team 3 (always),2,olga,") || strings.Contains(string(attested), "late") {
		t.Errorf("attestations before the period's end: %v\n%s", err, attested)
	}
}

func TestProtectionOfAChange(t *testing.T) {
	f := protectedLog(t)
	for _, x := range []struct {
		repo     int64
		from, at time.Duration
		known    bool
		holds    string
	}{
		{7, time.Minute, 2 * time.Minute, true, "yes"},
		{7, time.Minute, 61 * time.Minute, true, "yes no"},
		{7, 61 * time.Minute, 62 * time.Minute, true, "no"},
		{7, 61 * time.Minute, 121 * time.Minute, true, "no yes"},
		{7, -time.Minute, time.Minute, false, "yes"},
		{9, time.Minute, time.Minute, false, ""},
	} {
		c := change{update: update{repositoryID: x.repo, ref: "main", at: noon.Add(x.at)}}
		states, known := f.protectedFrom(c, noon.Add(x.from))
		var holds []string
		for _, s := range states {
			holds = append(holds, s.Holds)
		}
		if known != x.known || strings.Join(holds, " ") != x.holds {
			t.Errorf("repository %d from %s to %s: got %t %v, want %t %s", x.repo, x.from, x.at, known, holds, x.known, x.holds)
		}
	}
}

func TestMarkdownIsText(t *testing.T) {
	if got, want := markdown("a|b`<script>\n[x](y)\u202e"), "a\\|b\\`\\<script\\> \\[x\\]\\(y\\)�"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
