package store

import (
	"errors"
	"testing"
)

// installation is an arrival about an installation of the App.
func installation(id int64, delivery string, gone bool) Arrival {
	at := newClock().Now()
	return Arrival{DeliveryID: delivery, Event: "installation", InstallationID: id, OrgID: acme, OrgLogin: "acme", Payload: []byte("{}"), ReceivedAt: at, Uninstalled: gone}
}

// An organisation is uninstalled when its newest installation is gone. What is delivered late of an
// older one says nothing, and any event of a newer one says that it is back.
func TestWhatUninstalls(t *testing.T) {
	for name, c := range map[string]struct {
		arrivals    []Arrival
		uninstalled bool
	}{
		"gone":                        {[]Arrival{installation(5, "a", false), installation(5, "b", true)}, true},
		"gone, and told late of it":   {[]Arrival{installation(5, "b", true), installation(5, "a", false)}, true},
		"back":                        {[]Arrival{installation(5, "a", true), installation(6, "b", false)}, false},
		"back, and told late of both": {[]Arrival{installation(6, "b", false), installation(5, "a", true)}, false},
		"gone again":                  {[]Arrival{installation(5, "a", true), installation(6, "b", false), installation(6, "c", true)}, true},
		"installed":                   {[]Arrival{installation(5, "a", false)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSQLite(t, Options{})
			for _, a := range c.arrivals {
				receive(t, s, a)
			}
			if got := !must(s.Orgs(t.Context()))[0].UninstalledAt.IsZero(); got != c.uninstalled {
				t.Errorf("got uninstalled %v", got)
			}
		})
	}
}

// Of an organisation that is gone only the leaves of its log stay, the certificates and the holds.
func TestPurgeOfAnUninstalledOrganisation(t *testing.T) {
	s, _, n := aged(t, Options{})
	if done, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || !done.empty() {
		t.Fatalf("while it is installed: %+v, %v", done, err)
	}
	receive(t, s, installation(5, "gone", true))
	ok(t, s.write(t.Context(), "test", func(t *txn) error {
		return errors.Join(s.takeWrite(t, Job{InstallationID: 5}, WriteText), s.takeWrite(t, Job{InstallationID: 7}, WriteText))
	}))
	placed, err := n.PlaceHold(t.Context(), LegalHold{Reason: "case", By: somebody, RepoID: repo, Repository: "acme/app"})
	ok(t, err)
	if done, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || !done.empty() {
		t.Fatalf("while it is held: %+v, %v", done, err)
	}
	if count(t, s, `SELECT COUNT(*) FROM changes`) == 0 {
		t.Fatal("what is held was deleted")
	}
	ok(t, n.ReleaseHold(t.Context(), placed.ID, somebody, "over"))
	done, err := n.PurgeUninstalled(t.Context(), "The App was uninstalled.")
	ok(t, err)
	if done.empty() || len(done.Kept) != 0 {
		t.Errorf("got %+v", done)
	}
	for _, query := range []string{
		`SELECT COUNT(*) FROM log_leaves WHERE body IS NOT NULL AND kind NOT IN ('disposal', 'hold')`, `SELECT COUNT(*) FROM blobs`, `SELECT COUNT(*) FROM decisions`,
		`SELECT COUNT(*) FROM changes`, `SELECT COUNT(*) FROM jobs`, `SELECT COUNT(*) FROM exceptions`, `SELECT COUNT(*) FROM check_runs`, `SELECT COUNT(*) FROM policies`,
		`SELECT COUNT(*) FROM observations WHERE length(body) > 0`, `SELECT COUNT(*) FROM deliveries WHERE length(payload) > 0`,
	} {
		if got := count(t, s, query); got != 0 {
			t.Errorf("%s: %d are left", query, got)
		}
	}
	if got := count(t, s, `SELECT COUNT(*) FROM github_writes`); got != 1 {
		t.Errorf("the writes of %d installations are left, want those of another organisation's", got)
	}
	verifyLog(t, s)
	if again, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || !again.empty() {
		t.Errorf("again: %+v, %v", again, err)
	}
	// It comes back, and begins anew on the same log.
	back := arrival("back", acme, 1, "h1")
	back.InstallationID = 6
	receive(t, s, back)
	sealAll(t, n)
	if done, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || !done.empty() {
		t.Errorf("after it came back: %+v, %v", done, err)
	}
	verifyLog(t, s)
}

// What says which repositories there are, and what was enrolled when, is needed by evidence of any
// time: it stays however old it is, and goes with everything else.
func TestScopeStaysUntilTheAppIsGone(t *testing.T) {
	c := newClock()
	s := openSQLite(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	receive(t, s, installation(5, "first", false))
	ok(t, s.write(t.Context(), "test", func(t *txn) error {
		for _, kind := range []string{LeafScope, LeafEnrolment, LeafRegister} {
			if _, err := n.appendRecord(t, kind, c.Now(), []byte(`{"v":1}`)); err != nil {
				return err
			}
		}
		return nil
	}))
	c.advance(4000 * day)
	if done, err := n.Purge(t.Context(), retention(s, 365*day, 0, 0)); err != nil || !done.empty() || done.Kept[KeptAsScope] != 3 {
		t.Errorf("got %+v, %v", done, err)
	}
	receive(t, s, installation(5, "gone", true))
	if done, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || done.Records != 3 {
		t.Errorf("after the uninstallation: %+v, %v", done, err)
	}
	verifyLog(t, s)
	if at, err := n.LastScope(t.Context()); err != nil || at.IsZero() {
		t.Errorf("the newest scope was recorded %s, %v", at, err)
	}
}
