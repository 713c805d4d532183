package main

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	formats "github.com/transparency-dev/formats/log"

	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/ledger"
)

// witnessed has the server's checkpoints cosigned by witnesses, who trust its key.
func (w *acme) witnessed(t *testing.T, witnesses ...*simWitness) {
	t.Helper()
	key, err := signingKeyOf(w)
	mustDo(t, err)
	text := "witnesses:\n"
	for _, s := range witnesses {
		s.trust(t, key.Public())
		vkey, _ := s.vkey()
		text += fmt.Sprintf("- {key: %q, url: %q}\n", vkey, s.URL+"/submit/")
	}
	w.file = filepath.Join(t.TempDir(), "settings.yml")
	mustDo(t, os.WriteFile(w.file, []byte(text), 0o600))
	w.restart(t)
}

// served is what the server gives at an address of acme's log.
func (w *acme) served(t *testing.T, what string) string {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s%s%d/%s", w.server.listener.Addr(), handlers.LogPath, w.org.ID(), what))
	mustDo(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	mustDo(t, err)
	return string(body)
}

// wantCosigned asks the witnesses and says who cosigned what the server gives.
func (w *acme) wantCosigned(t *testing.T, want ...*simWitness) {
	t.Helper()
	w.server.worker.AskWitnesses(t.Context())
	got := w.served(t, "checkpoint")
	if n := strings.Count(got, "\n— "); n != len(want)+1 {
		t.Errorf("%d signatures, want %d:\n%s", n, len(want)+1, got)
	}
	for _, s := range want {
		vkey, _ := s.vkey()
		verifier, err := ledger.ParseWitness(vkey)
		mustDo(t, err)
		if _, _, _, err := formats.ParseCheckpoint([]byte(got), fmt.Sprintf("countersign.demo/%d", w.org.ID()), verifier); err != nil {
			t.Errorf("not cosigned by %s: %v\n%s", s.name, err, got)
		}
	}
	w.decisions(t) // the log holds, with its cosignatures
}

func TestWitnessesCosign(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	first, second := startWitness(t, "one.example/w"), startWitness(t, "two.example/w")
	w.witnessed(t, first, second)
	for i := range 5 { // proofs between many sizes
		w.greenPull(t, fmt.Sprint("cosigned ", i))
		w.wantCosigned(t, first, second)
	}
	asked := first.asked()
	w.wantCosigned(t, first, second)
	if got := first.asked(); got != asked {
		t.Errorf("asked %d times about what it cosigned", got-asked)
	}
	// What we know of a witness is lost; it says what it knows, and is asked from there.
	w.stop()
	mustDo(t, <-w.stopped)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.folder, "countersign.db"))
	mustDo(t, err)
	_, err = db.Exec(`DELETE FROM cosignatures`)
	mustDo(t, err)
	mustDo(t, db.Close())
	w.startAgain(t)
	w.wantCosigned(t, first, second)
	report, err := w.server.store.Tenant(w.org.ID()).CheckLedger(t.Context(), nil)
	if err != nil || report.Cosignatures != 2 {
		t.Errorf("got %+v, %v, want 2 cosignatures", report, err)
	}
}

// One that is down or lies holds up neither decisions nor the others, and is asked again later.
func TestWitnessesThatDoNotCosign(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	good, bad := startWitness(t, "one.example/w"), startWitness(t, "bad.example/w")
	w.witnessed(t, good, bad)
	other := startWitness(t, "other.example/w")
	for name, misbehave := range map[string]func(*simWitness){
		"is down":                    func(s *simWitness) { s.status = http.StatusServiceUnavailable },
		"signs with another key":     func(s *simWitness) { s.spoil = func(string) string { return other.cosign("x\n") } },
		"signs another checkpoint":   func(s *simWitness) { s.spoil = func(string) string { return s.cosign("x\n1\nAAAA\n") } },
		"answers nothing":            func(s *simWitness) { s.spoil = func(string) string { return "" } },
		"answers what is no line":    func(s *simWitness) { s.spoil = func(l string) string { return strings.TrimSuffix(l, "\n") } },
		"knows nothing of a request": func(s *simWitness) { s.status = http.StatusFound },
	} {
		t.Run(name, func(t *testing.T) {
			bad.set(func(s *simWitness) { s.status, s.spoil = 0, nil; misbehave(s) })
			w.greenPull(t, "a witness that "+name)
			w.later(time.Hour)
			w.wantCosigned(t, good)
			asked := bad.asked()
			w.wantCosigned(t, good)
			if got := bad.asked(); got != asked {
				t.Errorf("asked %d times more at once", got-asked)
			}
		})
	}
	bad.set(func(s *simWitness) { s.status, s.spoil = 0, nil })
	w.later(time.Hour)
	w.wantCosigned(t, good, bad)
}

// A log that is not the one that the witness knows is not cosigned.
func TestWitnessesRefuseAnotherLog(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	s := startWitness(t, "one.example/w")
	w.witnessed(t, s)
	w.greenPull(t, "known")
	w.wantCosigned(t, s)
	origin := fmt.Sprintf("countersign.demo/%d", w.org.ID())
	for name, known := range map[string]func(l simLog) simLog{
		"another root":       func(l simLog) simLog { return simLog{l.size, make([]byte, 32)} },
		"another root, once": func(l simLog) simLog { return simLog{l.size - 1, make([]byte, 32)} },
		"a longer log":       func(l simLog) simLog { return simLog{l.size + 1000, l.root} },
	} {
		t.Run(name, func(t *testing.T) {
			var before simLog
			s.set(func(s *simWitness) {
				before = s.logs[origin]
				s.logs[origin] = known(before)
			})
			w.greenPull(t, name)
			w.later(time.Hour)
			w.wantCosigned(t)
			s.set(func(s *simWitness) { s.logs[origin] = before })
			w.later(time.Hour)
			w.wantCosigned(t, s)
		})
	}
}
