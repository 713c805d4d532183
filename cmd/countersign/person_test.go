package main

import (
	"fmt"
	"strings"
	"testing"
)

// What names a person is exported whole, and erased but for what an open pull request needs.
func TestPerson(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, _ := w.merged(t, "with a person", "squash")
	w.wantFound(t, repo)
	w.greenPull(t, "open") // bob approved it
	w.waitUntil(t, func() bool {
		unsealed, err := w.server.store.UnsealedOrgs(t.Context())
		return err == nil && len(unsealed) == 0
	})
	export := func(id int64) string {
		out, err := w.command(t, "person", "export", "--org", "acme", "--id", fmt.Sprint(id))
		mustDo(t, err)
		return out
	}
	dave := export(w.dave.ID())
	for _, want := range []string{`"what":"observation"`, `"what":"payload"`, `"kind":"decision"`, `"facts":`} {
		if !strings.Contains(dave, want) {
			t.Errorf("what is held about dave lacks %s", want)
		}
	}
	if export(999999999) != "" {
		t.Error("something is held about nobody")
	}
	out, err := w.command(t, "person", "erase", "--org", "acme", "--id", fmt.Sprint(w.dave.ID()), "--reason", "Request 1")
	if err != nil || strings.Contains(out, "Disposed of: 0 records") {
		t.Fatalf("%v\n%s", err, out)
	}
	if left := export(w.dave.ID()); strings.Count(left, "\n") >= strings.Count(dave, "\n") || strings.Contains(left, `"what":"payload"`) {
		t.Errorf("of dave is left:\n%.2000s", left)
	}
	out, err = w.command(t, "person", "erase", "--org", "acme", "--id", fmt.Sprint(w.bob.ID()), "--reason", "Request 2")
	if err != nil || !strings.Contains(out, "because an open pull request needs it") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = w.command(t, "retention", "list", "--org", "acme"); err != nil || !strings.Contains(out, "person: ") || !strings.Contains(out, " merge") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := w.command(t, "ledger", "check"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	w.exportToday(t)
	// The open pull request is decided as before.
	w.mustSettle(t)
	w.copilotPull("after").Approve(w.bob)
	w.mustSettle(t)
}
