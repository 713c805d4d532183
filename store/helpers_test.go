package store

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store/pgtest"
)

// clock is a clock that moves only when it is told to.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// testKey is always the same key: it protects nothing.
func testKey(t testing.TB) *ledger.Key {
	t.Helper()
	secret, _, err := ledger.GenerateKey(bytes.NewReader(make([]byte, 64)), "log.example")
	if err != nil {
		t.Fatal(err)
	}
	k, err := ledger.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// opener opens an empty database. The conformance suite gets one for every kind of database.
type opener func(t testing.TB, o Options) *Store

func openSQLite(t testing.TB, o Options) *Store {
	t.Helper()
	if o.URL == "" {
		o.URL = "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	}
	return openAt(t, o)
}

// cluster is the PostgreSQL of these tests.
var cluster = pgtest.Cluster{Prepare: func(database string) error { return migratePostgres(context.Background(), database, false) }}

func openOnPostgres(t testing.TB, o Options) *Store {
	t.Helper()
	if o.URL == "" {
		o.URL = cluster.Database(t)
	}
	return openAt(t, o)
}

func openAt(t testing.TB, o Options) *Store {
	t.Helper()
	if o.Signer == nil {
		o.Signer = testKey(t)
	}
	if o.Origin == "" {
		o.Origin = "log.example"
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// verifyLog checks every log of the store: all records, an inclusion proof for every leaf,
// and consistency with every smaller size.
func verifyLog(t testing.TB, s *Store) {
	t.Helper()
	orgs := must(s.Orgs(t.Context()))
	for _, o := range orgs {
		n := s.Tenant(o.ID)
		var last int64
		report := must(n.CheckLedger(t.Context(), func(done, total int64) {
			if done <= last || done > total {
				t.Errorf("progress: %d after %d of %d", done, last, total)
			}
			last = done
		}))
		if report.FirstBad != nil {
			t.Errorf("organisation %d: %s", o.ID, report.FirstBad.What)
		}
		if last != report.Size || report.Size != o.Leaves {
			t.Errorf("organisation %d: checked %d, report says %d, want %d leaves", o.ID, last, report.Size, o.Leaves)
		}
		verifyProofs(t, n, o.Leaves)
	}
}

func verifyProofs(t testing.TB, n Tenant, size int64) {
	t.Helper()
	var tree ledger.Rebuild
	for i := range size {
		leaf, _, _, root, err := n.Inclusion(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ledger.Consistency(i, tree.Root(), size, root, n.hashes(t.Context())); err != nil {
			t.Error(err)
		}
		tree.Append(leaf)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The organisations and the repository of these tests.
const (
	acme  = int64(1001)
	other = int64(1002)
	repo  = int64(77)
)

// arrival is the delivery of an event on pull request number with its head.
func arrival(id string, org int64, number int, head string) Arrival {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
	return Arrival{
		DeliveryID: id, Event: "pull_request", Action: "synchronize", InstallationID: 5, OrgID: org, RepoID: repo,
		Payload: []byte(`{"id":"` + id + `"}`), ReceivedAt: at,
		Observation: &Observation{DeliveryID: id, Event: "pull_request", Action: "synchronize", ReceivedAt: at,
			OrgID: org, RepoID: repo, Number: number, HeadSHA: head, Body: []byte(`{"name":"pull_request","id":"` + id + `"}`)},
		Changes: []ChangeSeen{seen(org, number, head, true)},
		Marks:   []Mark{{OrgID: org, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: number}},
	}
}

func seen(org int64, number int, head string, open bool) ChangeSeen {
	return ChangeSeen{OrgID: org, InstallationID: 5, RepoID: repo, Repository: "acme/app", Number: number, HeadSHA: head, BaseRef: "main", Open: open}
}

// checkEvent is a noisy event on a head.
func checkEvent(id string, head string) Arrival {
	at := time.Date(2026, 11, 23, 12, 0, 1, 0, time.UTC)
	return Arrival{
		DeliveryID: id, Event: "check_run", Action: "completed", InstallationID: 5, OrgID: acme, RepoID: repo,
		Payload: []byte(id), ReceivedAt: at,
		Observation: &Observation{DeliveryID: id, Event: "check_run", Action: "completed", ReceivedAt: at, OrgID: acme, RepoID: repo, HeadSHA: head, Body: []byte(id)},
		MarkHeads:   []HeadMark{{OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", HeadSHA: head, Noisy: true}},
	}
}

// receive stores an arrival.
func receive(t testing.TB, s *Store, a Arrival) Received {
	t.Helper()
	r, err := s.Receive(t.Context(), a)
	ok(t, err)
	return r
}

// claimOne claims the only job that is due and checks its kind and key.
func claimOne(t testing.TB, s *Store, kind, key string) Job {
	t.Helper()
	jobs, err := s.Claim(t.Context(), "test", 10, time.Minute)
	ok(t, err)
	if len(jobs) != 1 || jobs[0].Kind != kind || jobs[0].Key != key {
		t.Fatalf("claimed %+v, want one job %s %s", jobs, kind, key)
	}
	return jobs[0]
}

// claimNone checks that no job is due.
func claimNone(t testing.TB, s *Store) {
	t.Helper()
	jobs, err := s.Claim(t.Context(), "test", 10, time.Minute)
	ok(t, err)
	if len(jobs) != 0 {
		t.Fatalf("claimed %+v, want none", jobs)
	}
}

func evaluateKey(number int) string            { return fmt.Sprintf("%d/%d", repo, number) }
func publishKey(head, checkName string) string { return fmt.Sprintf("%d/%s/%s", repo, head, checkName) }

// decision is a record for a claimed job.
func decision(job Job, head, verdict string, rank int) Record {
	return Record{
		Final: true,
		Job:   job, RepoID: job.RepoID, Repository: job.Repository, Number: job.Number, HeadSHA: head, BaseRef: "main", CheckName: "countersign",
		Open: true, Verdict: verdict, Rank: rank, Facts: []byte(`{"facts":"` + job.Lease + `"}`), Policy: []byte("version: 1\n"),
		Catalogue: []byte("agents: []\n"), Decision: []byte(`{"verdict":"` + verdict + `"}`),
	}
}

// decide brings a change from an event to a recorded decision. Jobs that are due for anything
// else are given back.
func decide(t testing.TB, s *Store, org int64, number int, head, verdict string, rank int, change ...func(*Record)) Recorded {
	t.Helper()
	receive(t, s, arrival(newRecordID(), org, number, head))
	r := decision(claim(t, s, org, KindEvaluate, evaluateKey(number)), head, verdict, rank)
	for _, f := range change {
		f(&r)
	}
	out, err := s.Tenant(org).Record(t.Context(), r)
	ok(t, err)
	return out
}

// claim claims one certain job and gives all others back.
func claim(t testing.TB, s *Store, org int64, kind, key string) Job {
	t.Helper()
	jobs, err := s.Claim(t.Context(), "test", 1<<20, time.Minute)
	ok(t, err)
	i := slices.IndexFunc(jobs, func(j Job) bool { return j.OrgID == org && j.Kind == kind && j.Key == key })
	if i < 0 {
		t.Fatalf("claimed %d jobs, want %s %s among them", len(jobs), kind, key)
	}
	for k, j := range jobs {
		if k != i {
			ok(t, s.Postpone(t.Context(), j, s.now(), ""))
		}
	}
	return jobs[i]
}

// publish publishes what is wanted on a head, as a worker would.
func publish(t testing.TB, s *Store, org int64, head string, githubID int64) Publication {
	t.Helper()
	job := claim(t, s, org, KindPublish, publishKey(head, "countersign"))
	p, err := s.Tenant(org).Publication(t.Context(), repo, head, "countersign")
	ok(t, err)
	ok(t, s.Tenant(org).BeginPublish(t.Context(), job, p.Wanted.RecordID, WriteFlip))
	ok(t, s.Tenant(org).Published(t.Context(), job, Published{RecordID: p.Wanted.RecordID, GitHubID: githubID, Said: "said", Status: "completed", Conclusion: "failure"}))
	return p
}

// wanted returns the record that is wanted on a head; empty if none is.
func wanted(t testing.TB, s *Store, head, checkName string) string {
	t.Helper()
	p, err := s.Tenant(acme).Publication(t.Context(), repo, head, checkName)
	if err != nil {
		return ""
	}
	return p.Wanted.RecordID
}
