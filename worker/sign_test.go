package worker

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/witness"
)

// signed is a store that has a key to sign with.
func signed(t *testing.T) *store.Store {
	t.Helper()
	secret, _, err := ledger.GenerateKey(bytes.NewReader(make([]byte, 64)), "log.example")
	orFatal(t, err)
	key, err := ledger.ParseKey(secret)
	orFatal(t, err)
	st, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "c.db"), Signer: key, Origin: "log.example"})
	orFatal(t, err)
	t.Cleanup(func() { orFatal(t, st.Close()) })
	return st
}

func orFatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quiet adds a leaf to a log in which nothing is published.
func quiet(t *testing.T, st *store.Store, org int64) {
	t.Helper()
	_, err := st.Receive(t.Context(), store.Arrival{DeliveryID: fmt.Sprint("first ", org), Event: "installation", OrgID: org, OrgLogin: fmt.Sprint("org", org), InstallationID: 1,
		ReceivedAt: noon, Payload: []byte("{}")})
	orFatal(t, err)
	orFatal(t, st.Tenant(org).RecordDraw(t.Context(), []byte(`{"v":1}`)))
}

// unsigned is how many leaves of a log no checkpoint covers.
func unsigned(t *testing.T, st *store.Store, org int64) int64 {
	t.Helper()
	lines, err := st.LogLines(t.Context())
	orFatal(t, err)
	for _, l := range lines {
		if l.OrgID == org {
			return l.Leaves - l.Signed
		}
	}
	t.Fatalf("organisation %d has no log", org)
	return 0
}

// runs runs a worker until the test ends.
func runs(t *testing.T, w *Worker) {
	t.Helper()
	var done sync.WaitGroup
	done.Go(func() {
		if err := w.Run(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(done.Wait)
}

func waitUntil(t *testing.T, holds func() bool) {
	t.Helper()
	end, tick := time.After(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited 30 seconds in vain")
		}
	}
}

// A log in which no check run is published has its newest leaves signed, after an hour.
func TestAQuietLogIsSigned(t *testing.T) {
	st := signed(t)
	quiet(t, st, org)
	var ahead atomic.Int64
	began := time.Now()
	runs(t, New(Settings{Store: st, Owner: "test", Now: func() time.Time { return began.Add(time.Duration(ahead.Load())) }}))
	if n := unsigned(t, st, org); n != 1 {
		t.Fatalf("%d leaves are not signed at the start, want 1", n)
	}
	waitUntil(t, func() bool {
		ahead.Add(int64(time.Hour)) // whenever it began to count
		return unsigned(t, st, org) == 0
	})
}

// contradicting is a witness who does not answer before it may, and then says that it knows more of
// the log than there is.
func contradicting(t *testing.T) (w *witness.Witness, asked, may chan struct{}) {
	t.Helper()
	asked, may = make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(asked) })
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		once()
		<-may
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintln(rw, 1000)
	}))
	t.Cleanup(server.Close)
	const name = "w.example/w"
	key := append([]byte{4}, bytes.Repeat([]byte{1}, 32)...)
	hash := sha256.Sum256(append([]byte(name+"\n"), key...))
	w, err := witness.New(fmt.Sprintf("%s+%x+%s", name, hash[:4], base64.StdEncoding.EncodeToString(key)), server.URL)
	orFatal(t, err)
	return w, asked, may
}

// The witnesses are heard before anything is signed, and what one of them knows keeps the log from
// being signed. No other log waits for that.
func TestALogThatMustNotBeSignedIsNot(t *testing.T) {
	const other = org + 1
	st := signed(t)
	quiet(t, st, org)
	if _, _, err := st.Tenant(org).Checkpoint(t.Context()); err != nil { // the witness is asked about this
		t.Fatal(err)
	}
	quiet(t, st, org)
	quiet(t, st, other)
	one, asked, may := contradicting(t)
	w := New(Settings{Store: st, Owner: "test", Witnesses: []*witness.Witness{one}, SignEvery: 1})
	runs(t, w)
	<-asked
	if n := unsigned(t, st, other); n != 1 {
		t.Error("a log was signed before the witness was heard")
	}
	close(may)
	waitUntil(t, func() bool { return unsigned(t, st, other) == 0 }) // it comes after the other
	if n := unsigned(t, st, org); n != 1 {
		t.Errorf("%d leaves of the log that the witness contradicts are not signed, want 1", n)
	}
	if err := w.SignLogs(t.Context()); !errors.Is(err, store.ErrFork) {
		t.Errorf("got %v, want ErrFork", err)
	}
}
