package store

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
)

const day = 24 * time.Hour

// retention is a purge by age as of now.
func retention(s *Store, records, observations, deliveries time.Duration) Purge {
	at := func(d time.Duration) time.Time {
		if d == 0 {
			return time.Time{}
		}
		return s.now().Add(-d)
	}
	return Purge{Reason: ReasonRetention, Why: "Kept long enough.", Records: at(records), Observations: at(observations), Deliveries: at(deliveries)}
}

// closeChange has a pull request closed by an event.
func closeChange(t testing.TB, s *Store, org int64, number int, head string) {
	t.Helper()
	a := arrival(newRecordID(), org, number, head)
	a.Changes[0].Open, a.Marks = false, nil
	receive(t, s, a)
}

// sealAll gives every observation its leaf.
func sealAll(t testing.TB, n Tenant) {
	t.Helper()
	_, err := n.SealObservations(t.Context())
	ok(t, err)
}

// somebody places holds and asks for erasure.
var somebody = Who{User: "root", Host: "machine"}

// aged is a log whose beginning is more than a year old: the pull requests 1 (closed), 2 (open) and
// 3 (closed, with an exception that is not settled) were decided and sealed, a sample was drawn.
// Pull request 4 is new.
func aged(t testing.TB, o Options) (*Store, *clock, Tenant) {
	t.Helper()
	c := newClock()
	o.Now = c.Now
	s := openSQLite(t, o)
	n := s.Tenant(acme)
	for number, head := range []string{"", "h1", "h2", "h3"} {
		if number == 0 {
			continue
		}
		decide(t, s, acme, number, head, "pass", 0, func(r *Record) { r.GoverningRef = "main" })
		sealAll(t, n)
	}
	closeChange(t, s, acme, 1, "h1")
	closeChange(t, s, acme, 3, "h3")
	sealAll(t, n)
	e := Exception{Kind: "emergency", Subject: "3", RepoID: repo, Repository: "acme/app", Number: 3, Severity: "high", Reason: "why"}
	_, _, err := n.OpenException(t.Context(), e, 5)
	ok(t, err)
	e.Subject, e.Number = "1", 1
	settled, _, err := n.OpenException(t.Context(), e, 5)
	ok(t, err)
	ok(t, n.StepException(t.Context(), settled.ID, func(e *Exception) bool {
		e.State, e.Step, e.By = ExceptionClosed, "closed", "bob"
		return true
	}))
	ok(t, n.RecordDraw(t.Context(), []byte(`{"v":1}`)))
	c.advance(400 * day)
	late := arrival("late", acme, 4, "h4")
	late.ReceivedAt, late.Observation.ReceivedAt = c.Now(), c.Now()
	receive(t, s, late)
	_, err = n.Record(t.Context(), decision(claim(t, s, acme, KindEvaluate, evaluateKey(4)), "h4", "pass", 0))
	ok(t, err)
	sealAll(t, n)
	return s, c, n
}

// bodies are the leaves that have none, by kind.
func missing(t testing.TB, s *Store) (out []string) {
	t.Helper()
	ok(t, s.query(t.Context(), `SELECT kind || ' ' || leaf_index FROM log_leaves WHERE body IS NULL AND salt IS NULL ORDER BY leaf_index`, nil, func(scan func(...any) error) error {
		var one string
		err := scan(&one)
		out = append(out, one)
		return err
	}))
	return out
}

func count(t testing.TB, s *Store, query string) (n int) {
	t.Helper()
	ok(t, s.one(t.Context(), query, nil, &n))
	return n
}

// What is old goes, with the decision's row, its facts and its salt; what an open pull request, an
// exception that is not settled or a policy in force needs stays. Everything can still be proved.
func TestPurgeDisposesOfWhatIsOldAndNotNeeded(t *testing.T) {
	s, _, n := aged(t, Options{})
	before, _, err := n.Checkpoint(t.Context())
	ok(t, err)
	done, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
	ok(t, err)
	// Leaves: decisions 0, 2, 4; observations 1, 3, 5, 6; exception steps 7 (open), 8 and 9 (settled); draw 10.
	if got, want := missing(t, s), []string{"decision 0", "observations 1", "exception 8", "exception 9", "draw 10"}; !slices.Equal(got, want) {
		t.Errorf("disposed of %v, want %v; kept %v", got, want, done.Kept)
	}
	if done.Records != 5 || done.Observations != 2 || done.Blobs != 1 {
		t.Errorf("got %+v", done)
	}
	if got := count(t, s, `SELECT COUNT(*) FROM deliveries WHERE disposed = 1 AND payload = x'' AND length(payload_sha256) = 64`); got != 5 || done.Deliveries != 5 {
		t.Errorf("%d payloads are gone, the certificates say %d, want 5", got, done.Deliveries)
	}
	if _, err := n.DecisionAt(t.Context(), 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("the decision is still there: %v", err)
	}
	for _, leaf := range []int64{2, 4} {
		if _, err := n.DecisionAt(t.Context(), leaf); err != nil {
			t.Errorf("the decision of leaf %d: %v", leaf, err)
		}
	}
	if list := must(n.Exceptions(t.Context(), ExceptionFilter{})); len(list) != 1 || list[0].Number != 3 {
		t.Errorf("exceptions: %+v", list)
	}
	report := must(n.CheckLedger(t.Context(), nil))
	if report.FirstBad != nil || report.Disposed[LeafDecision] != 1 || report.Disposed[LeafException] != 2 || report.DisposedObservations != 2 {
		t.Errorf("the check says %+v, %+v", report, report.FirstBad)
	}
	verifyLog(t, s)
	after, size, err := n.Checkpoint(t.Context())
	ok(t, err)
	if string(before) == string(after) || size <= 13 {
		t.Error("the certificates are in no checkpoint")
	}
	_, _, _, err = n.InclusionAt(t.Context(), 0, size)
	ok(t, err)
	if again, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day)); err != nil || !again.empty() {
		t.Errorf("a second purge found %+v, %v", again.Disposal, err)
	}
	list := must(n.Disposals(t.Context()))
	if len(list) != 3 || list[1].Reason != ReasonRetention || !slices.Equal(list[1].Leaves, []ledger.Run{{0, 1}, {8, 10}}) || list[1].Kinds[LeafDecision] != 1 {
		t.Errorf("certificates: %+v", list)
	}
}

// What was heard of a pull request says that it is gone, and is never nothing.
func TestDisposedObservationsSayThatTheyAre(t *testing.T) {
	s, _, n := aged(t, Options{})
	_, err := n.Purge(t.Context(), retention(s, 0, 365*day, 0))
	ok(t, err)
	for number, gone := range map[int]bool{1: true, 2: false, 3: false, 4: false} {
		list := must(n.Observations(t.Context(), repo, number))
		if len(list) == 0 {
			t.Errorf("nothing is known of pull request %d", number)
		}
		for _, o := range list {
			if o.Disposed != gone || (len(o.Body) == 0) != gone {
				t.Errorf("pull request %d: %+v, want disposed %v", number, o, gone)
			}
		}
	}
	verifyLog(t, s)
}

// A push is kept while an open pull request is judged by what was pushed since.
func TestPushesStayWhilePullRequestsAreOpen(t *testing.T) {
	c := newClock()
	s := openSQLite(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	push := func(id string) {
		a := checkEvent(id, "pushed "+id)
		a.Event, a.Observation.Event, a.MarkHeads = "push", "push", nil
		receive(t, s, a)
	}
	push("before")
	decide(t, s, acme, 1, "h1", "pass", 0)
	push("after")
	sealAll(t, n)
	c.advance(400 * day)
	_, err := n.Purge(t.Context(), retention(s, 0, 365*day, 0))
	ok(t, err)
	if got := count(t, s, `SELECT SUM(seq) FROM observations WHERE disposed = 1`); got != 1 {
		t.Errorf("want the push before the pull request to be gone, and no other; got %d", got)
	}
	closeChange(t, s, acme, 1, "h1")
	sealAll(t, n)
	c.advance(400 * day)
	_, err = n.Purge(t.Context(), retention(s, 0, 365*day, 0))
	ok(t, err)
	if got := count(t, s, `SELECT COUNT(*) FROM observations WHERE disposed = 0`); got != 0 {
		t.Errorf("%d observations are left", got)
	}
	verifyLog(t, s)
}

// A decision stays as long as the record of the merge that rests on it.
func TestDecisionsStayWithTheMergesThatRestOnThem(t *testing.T) {
	c := newClock()
	s := openSQLite(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	decided := decide(t, s, acme, 1, "h1", "pass", 0)
	decide(t, s, acme, 2, "h2", "pass", 0)
	closeChange(t, s, acme, 1, "h1")
	c.advance(10 * day)
	receive(t, s, Arrival{DeliveryID: "b", Event: "push", OrgID: acme, RepoID: repo, ReceivedAt: c.Now(), Payload: []byte("b"),
		Marks: []Mark{{Kind: KindBranch, OrgID: acme, InstallationID: 5, RepoID: repo, Repository: "acme/app", Ref: "main"}}})
	body := fmt.Sprintf(`{"v":1,"update":{"repository_id":%d,"id":9,"changes":{"items":[{"before":{"leaf_index":%d}}]}},"findings":[]}`, repo, decided.LeafIndex)
	ok(t, n.RecordUpdate(t.Context(), claim(t, s, acme, KindBranch, "77/main"), Branch{RepoID: repo, Ref: "main", Repository: "acme/app", Mode: "enforce", ActivityID: 9, Since: c.Now()},
		Update{ActivityID: 9, Actor: "dave", ActorID: 6, Body: []byte(body)}, nil))
	c.advance(360 * day) // the decision is older than a year, the merge is not
	done, err := n.Purge(t.Context(), retention(s, 365*day, 0, 0))
	ok(t, err)
	if done.Records != 0 || done.Kept[KeptByRecord] != 1 {
		t.Errorf("got %+v", done)
	}
	c.advance(10 * day)
	for range 2 { // the merge, and in the next hour what it rested on
		_, err = n.Purge(t.Context(), retention(s, 365*day, 0, 0))
		ok(t, err)
	}
	if got := missing(t, s); !slices.Equal(got, []string{"decision 0", "merge 2"}) {
		t.Errorf("disposed of %v", got)
	}
	if got := count(t, s, `SELECT COUNT(*) FROM branch_updates WHERE actor = '' AND actor_id = 0`); got != 1 {
		t.Error("who updated the branch is still known")
	}
	verifyLog(t, s)
}

// While a log is checked, records of it are disposed of: that is no finding.
func TestPurgeDuringACheck(t *testing.T) {
	c := newClock()
	s := openSQLite(t, Options{Now: c.Now})
	n := s.Tenant(acme)
	receive(t, s, arrival("first", acme, 9, "h9"))
	for range checkChunk {
		ok(t, n.RecordDraw(t.Context(), []byte(`{"v":1}`)))
	}
	for number := range 3 {
		head := fmt.Sprint("h", number)
		decide(t, s, acme, number+1, head, "pass", 0)
		sealAll(t, n)
		closeChange(t, s, acme, number+1, head)
	}
	sealAll(t, n)
	c.advance(400 * day)
	purged := int64(0)
	report := must(n.CheckLedger(t.Context(), func(int64, int64) {
		done, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 0))
		ok(t, err)
		purged += done.Records
	}))
	if report.FirstBad != nil || purged < checkChunk+4 || report.Disposed[LeafObservations] == 0 || report.Disposed[LeafDecision] == 0 {
		t.Errorf("%d records were disposed of meanwhile; the check says %+v %+v", purged, report, report.FirstBad)
	}
	verifyLog(t, s)
}

// A body may be missing exactly where a certificate says so.
func TestCheckLedgerComparesWithTheCertificates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evidence.db")
	s, _, n := aged(t, Options{URL: "sqlite:" + path})
	_, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
	ok(t, err)
	verifyLog(t, s)
	certificates := must(n.Disposals(t.Context()))
	ok(t, s.Close())
	file, err := os.ReadFile(path)
	ok(t, err)
	for _, c := range []struct {
		name, change string
		index        int64
		says         string
	}{
		{"another body", `UPDATE log_leaves SET salt = NULL, body = NULL WHERE leaf_index = 2`, 2, "body is missing"},
		{"a body put back", `UPDATE log_leaves SET salt = zeroblob(32), body = x'7b7d' WHERE leaf_index = 0`, 0, "and it is there"},
		{"a decision put back", `INSERT INTO decisions SELECT org_id, 'another', 0, repo_id, repository, number, head_sha, base_ref, check_name, verdict, severity,
			final, facts_sha256, policy_sha256, catalogue_sha256, decision, decision_sha256, note, recorded_at FROM decisions WHERE leaf_index = 2`, 0, "its decision is there"},
		{"what another event said", `UPDATE observations SET body = x'', disposed = 1 WHERE seq = 2`, 3, "what observation 2 said is missing"},
		{"what an event said, put back", `UPDATE observations SET body = x'7b7d', disposed = 0 WHERE seq = 1`, 3, "not all disposed of"},
		{"an observation that is gone", `DELETE FROM observations WHERE seq = 1`, 3, "not all disposed of"},
		{"what an event said, in a leaf that is kept", `UPDATE observations SET body = x'7b7d', disposed = 0 WHERE seq = 4`, 6, "and it is there"},
		{"something said by what was disposed of", `UPDATE observations SET body = x'7b7d' WHERE seq = 4`, 6, "and says something"},
		{"the certificate's body", fmt.Sprintf(`UPDATE log_leaves SET body = CAST(replace(CAST(body AS TEXT), '[8,10]', '[7,10]') AS BLOB) WHERE leaf_index = %d`, certificates[1].LeafIndex), 7, "and it is there"},
		{"the certificate", fmt.Sprintf(`UPDATE log_leaves SET salt = NULL, body = NULL WHERE leaf_index = %d`, certificates[1].LeafIndex), certificates[1].LeafIndex, "no record of a disposal"},
		{"a body, and a certificate for it in place of a record", `UPDATE log_leaves SET salt = NULL, body = NULL WHERE leaf_index = 2;
			UPDATE log_leaves SET kind = 'disposal', body = CAST('{"v":1,"records":1,"kinds":{"decision":1},"leaves":[[2,2]]}' AS BLOB) WHERE leaf_index = 7`, 2, "decision is there"},
		{"a record that another takes the place of", `UPDATE log_leaves SET kind = 'disposal', body = CAST('{"v":1}' AS BLOB) WHERE leaf_index = 7`, 7, "and its row says"},
		{"a body, and a certificate for it at the end", fmt.Sprintf(`UPDATE log_leaves SET salt = NULL, body = NULL WHERE leaf_index = 7;
			INSERT INTO log_leaves (org_id, leaf_index, leaf, salt, body, kind) SELECT org_id, %[1]d, CAST(replace(CAST(leaf AS TEXT), '"seq":%[2]d', '"seq":%[1]d') AS BLOB), salt,
			CAST('{"v":1,"records":1,"kinds":{"exception":1},"leaves":[[7,7]]}' AS BLOB), kind FROM log_leaves WHERE leaf_index = %[2]d`, certificates[2].LeafIndex+1, certificates[2].LeafIndex),
			certificates[2].LeafIndex + 1, "leaves, the head says"},
	} {
		r := tamper(t, file, func(db *sql.DB) { exec(t, db, c.change) })
		if r.FirstBad == nil || r.FirstBad.Index != c.index || !strings.Contains(r.FirstBad.What, c.says) {
			t.Errorf("%s: got %+v, want leaf %d and %q", c.name, r.FirstBad, c.index, c.says)
		}
	}
	// The certificate of the payloads counts for nothing that is in the log.
	if r := tamper(t, file, func(*sql.DB) {}); r.FirstBad != nil {
		t.Errorf("untouched: %+v", r.FirstBad)
	}
}

// What was disposed of is nowhere in the database's file any more.
func TestDisposedBytesAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evidence.db")
	s, _, n := aged(t, Options{URL: "sqlite:" + path})
	a := arrival("secret", acme, 9, "h9")
	a.Changes, a.Marks = nil, nil
	a.Payload, a.Observation.Body = []byte(strings.Repeat("the-payload", 2000)), []byte(`"`+strings.Repeat("what-it-said", 2000)+`"`)
	receive(t, s, a)
	sealAll(t, n)
	_, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
	ok(t, err)
	ok(t, s.Close()) // moves the WAL into the file
	file, err := os.ReadFile(path)
	ok(t, err)
	for _, text := range []string{"the-payload", "what-it-said"} {
		if strings.Contains(string(file), text) {
			t.Errorf("%q is still in the file", text)
		}
	}
}

// What was disposed of after it was read, and before it was looked at, is no finding either.
func TestPurgeBetweenReadingAndLooking(t *testing.T) {
	s, _, n := aged(t, Options{})
	c := checker{n: n, known: map[string]bool{}, newest: newestRows{}, gone: map[int64]string{}, report: LedgerReport{Kinds: map[string]int64{}, Disposed: map[string]int64{}}}
	have, err := c.readHead(t.Context())
	ok(t, err)
	ok(t, c.readCertified(t.Context()))
	leaves, err := c.readLeaves(t.Context(), 0, c.head.size)
	ok(t, err)
	_, err = n.Purge(t.Context(), retention(s, 365*day, 365*day, 0))
	ok(t, err)
	for _, l := range leaves {
		ok(t, c.checkLeaf(t.Context(), l))
	}
	if c.report.Disposed[LeafDecision] != 1 || c.decisions != have.decisions {
		t.Errorf("got %+v and %d decisions of %d", c.report, c.decisions, have.decisions)
	}
}

// What is old goes, then all of an organisation that is gone, and the log holds.
func testDisposal(t *testing.T, open opener) {
	s, _, n := aged(t, Options{URL: urlOf(t, open(t, Options{}))})
	ids, err := n.RepositoryIDs(t.Context(), "ACME/app")
	if err != nil || !slices.Equal(ids, []int64{repo}) {
		t.Errorf("got %v, %v", ids, err)
	}
	done, err := n.Purge(t.Context(), retention(s, 365*day, 365*day, 30*day))
	if err != nil || done.Records != 5 || done.Observations != 2 || done.Blobs != 1 || done.Deliveries != 5 {
		t.Errorf("got %+v, %v", done, err)
	}
	verifyLog(t, s)
	receive(t, s, installation(5, "gone", true))
	if done, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || done.Records == 0 {
		t.Errorf("got %+v, %v", done, err)
	}
	if count(t, s, `SELECT COUNT(*) FROM changes`) != 0 {
		t.Error("what was held of it is still there")
	}
	verifyLog(t, s)
}

// What was disposed of after a copy was made is there again when that is restored, and is disposed of
// again, under the log's next name and by another key. What begins a term is never disposed of.
func TestDisposalsOfARestoredLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evidence.db")
	s, at, n := aged(t, Options{URL: "sqlite:" + path})
	_, _, err := n.Checkpoint(t.Context())
	ok(t, err)
	ok(t, s.Close())
	copied := must(os.ReadFile(path))
	dispose := func(n Tenant) {
		t.Helper()
		done, err := n.Purge(t.Context(), retention(n.s, 365*day, 365*day, 30*day))
		ok(t, err)
		if report := must(n.CheckLedger(t.Context(), nil)); done.empty() || report.FirstBad != nil || report.Disposed[LeafDecision] == 0 {
			t.Errorf("disposed of %+v; the check says %+v", done, report)
		}
	}
	open := func(seed byte) Tenant {
		s := openSQLite(t, Options{URL: "sqlite:" + path, Signer: keyOf(t, seed), Now: at.Now})
		return s.Tenant(acme)
	}
	n = open(0)
	dispose(n)
	last, _, err := n.Checkpoint(t.Context())
	ok(t, err)
	ok(t, n.s.Close())
	ok(t, os.WriteFile(path, copied, 0o600))
	n = open(0)
	_, err = n.BeginGeneration(t.Context(), last)
	ok(t, err)
	verifyLog(t, n.s)
	dispose(n)
	ok(t, n.s.Close())
	n = open(7)
	handedOver, err := n.ContinueLog(t.Context(), keyOf(t, 0))
	if err != nil || !handedOver {
		t.Fatalf("handed over: %v, %v", handedOver, err)
	}
	verifyLog(t, n.s)
	receive(t, n.s, installation(5, "gone", true))
	if done, err := n.PurgeUninstalled(t.Context(), "why"); err != nil || done.empty() {
		t.Fatalf("got %+v, %v", done, err)
	}
	verifyLog(t, n.s)
	if got := count(t, n.s, `SELECT COUNT(*) FROM log_leaves WHERE body IS NOT NULL AND kind NOT IN ('disposal', 'generation', 'key-rotation')`); got != 0 {
		t.Errorf("%d other records are left", got)
	}
}

// Whoever asks for the erasure of what names them has exceptions erased with all their steps, also
// those that do not name them: their row goes with the newest.
func TestErasedExceptionsGoWhole(t *testing.T) {
	at := newClock()
	s := openSQLite(t, Options{Now: at.Now})
	n := s.Tenant(acme)
	receive(t, s, arrival("first", acme, 9, "h9"))
	for _, number := range []int{1, 2} {
		e, _, err := n.OpenException(t.Context(), Exception{Kind: "emergency", Subject: fmt.Sprint(number), RepoID: repo, Repository: "acme/app", Number: number, Severity: "high", Reason: "why"}, 5)
		ok(t, err)
		ok(t, n.StepException(t.Context(), e.ID, func(e *Exception) bool {
			if e.Number == 1 {
				e.CausedBy = 99
			}
			e.State, e.Step, e.By = ExceptionClosed, "closed", "bob"
			return true
		}))
	}
	done, err := n.ErasePerson(t.Context(), 99, somebody, "Request 1")
	ok(t, err)
	if got := missing(t, s); !slices.Equal(got, []string{"exception 0", "exception 1"}) || done.Records != 2 {
		t.Errorf("erased %v: %+v", got, done)
	}
	if list := must(n.Exceptions(t.Context(), ExceptionFilter{})); len(list) != 1 || list[0].Number != 2 {
		t.Errorf("left: %+v", list)
	}
	verifyLog(t, s)
}

// What is held and cannot be read may name an account: nobody is told that everything is there, and
// nothing is erased in part.
func TestWhatCannotBeSearchedIsSaid(t *testing.T) {
	for _, text := range []string{`{"login":"ada"`, `{"v":1}{"sender":{"id":99}}`} {
		s := openSQLite(t, Options{})
		n := s.Tenant(acme)
		a := arrival("unreadable", acme, 9, "h9")
		a.Payload = []byte(text)
		receive(t, s, a)
		held := func() error { return n.Person(t.Context(), 99, func(PersonItem) error { return nil }) }
		_, erased := n.ErasePerson(t.Context(), 99, somebody, "Request 1")
		for _, err := range []error{held(), erased} {
			if err == nil || !strings.Contains(err.Error(), "the payload of delivery unreadable cannot be searched") {
				t.Errorf("%s: got %v", text, err)
			}
		}
	}
}

// Whoever can write to the database, and holds no key, can append a record to the log, but no
// certificate of a disposal.
func TestCertificatesAreSigned(t *testing.T) {
	source := filepath.Join(t.TempDir(), "evidence.db")
	s, at, n := aged(t, Options{URL: "sqlite:" + source})
	_, err := n.Purge(t.Context(), retention(s, 365*day, 0, 0))
	ok(t, err)
	real := must(n.Disposals(t.Context()))[0]
	_, _, err = n.Checkpoint(t.Context())
	ok(t, err)
	verifyLog(t, s)
	var open int64 // the draw that was kept
	ok(t, s.write(t.Context(), "test", func(t *txn) (err error) {
		open, err = n.appendRecord(t, LeafDraw, at.Now(), []byte(`{"v":1}`))
		return err
	}))
	ok(t, s.Close())
	file := must(os.ReadFile(source))
	forged := Disposal{V: disposalVersion, Reason: ReasonRetention, Why: "Kept long enough.", Records: 1, Kinds: map[string]int64{LeafDraw: 1}, Leaves: []ledger.Run{{open, open}}}
	for name, sign := range map[string]func(origin string, leaf int64) string{
		"nobody": func(string, int64) string { return "" },
		"another key": func(origin string, leaf int64) string {
			return string(must(must(forged.toSign(origin, leaf)).Sign(keyOf(t, 9))))
		},
		"the log's key, of another disposal": func(string, int64) string { return real.Signed },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "copy.db")
			ok(t, os.WriteFile(path, file, 0o600))
			s := openSQLite(t, Options{URL: "sqlite:" + path})
			n := s.Tenant(acme)
			var leaf int64
			ok(t, s.write(t.Context(), "forge", func(x *txn) (err error) {
				h, err := loadLogHead(x, acme)
				ok(t, err)
				d := forged
				d.Signed = sign(h.origin, h.size)
				_, err = x.exec(disposeLeaf, acme, open)
				ok(t, err)
				leaf, err = n.appendRecord(x, LeafDisposal, at.Now(), must(json.Marshal(d)))
				return err
			}))
			if r := must(n.CheckLedger(t.Context(), nil)); r.FirstBad == nil || r.FirstBad.Index != leaf || !strings.Contains(r.FirstBad.What, "not signed by the log's key") {
				t.Errorf("got %+v", r.FirstBad)
			}
		})
	}
}
