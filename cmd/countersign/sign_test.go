package main

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/worker"
)

// Two processes on one database sign what nobody signed, while the log grows: it is one log all the
// same.
func TestOnPostgresTwoProcessesSignAQuietLog(t *testing.T) {
	t.Parallel()
	secret, _, err := ledger.GenerateKey(bytes.NewReader(make([]byte, 64)), "log.example")
	mustDo(t, err)
	key, err := ledger.ParseKey(secret)
	mustDo(t, err)
	at := databaseOf(t)
	const org = 7
	var both [2]*worker.Worker
	var log store.Tenant
	for i := range both {
		st, err := store.Open(t.Context(), store.Options{URL: at, Signer: key, Origin: "log.example"})
		mustDo(t, err)
		t.Cleanup(func() { mustDo(t, st.Close()) })
		both[i], log = worker.New(worker.Settings{Store: st, Owner: "test", Log: zerolog.Nop()}), st.Tenant(org)
		_, err = st.Receive(t.Context(), store.Arrival{DeliveryID: "first", Event: "installation", OrgID: org, OrgLogin: "acme", InstallationID: 1, ReceivedAt: time.Now(), Payload: []byte("{}")})
		mustDo(t, err)
	}
	for range 20 {
		mustDo(t, log.RecordDraw(t.Context(), []byte(`{"v":1}`)))
		var signing sync.WaitGroup
		for _, w := range both {
			signing.Go(func() {
				if err := w.SignLogs(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		signing.Wait()
	}
	report, err := log.CheckLedger(t.Context(), nil)
	if err != nil || report.FirstBad != nil || report.Size != 20 || report.Checkpoints != 20 {
		t.Errorf("got %+v, %v, want 20 leaves and 20 checkpoints that hold", report, err)
	}
}
