package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// The year of an organisation, for the figures of exports.
const (
	yearChanges      = 100_000
	yearRepositories = 200
	yearOrg          = 7
)

// year is a database with a year's changes, each decided on once and merged, written through the
// store as the worker does, from the facts of a real decision.
type year struct {
	st      *store.Store
	file    string // of the database
	key     *ledger.Key
	now     atomic.Int64 // microseconds
	facts   []byte
	head    string
	policy  []byte
	agents  []byte
	known   *policy.Catalogue
	updates map[int64]store.Job // of branches, by repository
}

func newYear(b *testing.B, w *acme) *year {
	b.Helper()
	pr := w.greenPull(b, "as all the others")
	row, err := w.server.store.Tenant(w.org.ID()).Decision(b.Context(), w.check(pr, "countersign").ExternalID)
	must(b, err)
	y := &year{facts: row.Facts, head: row.HeadSHA, policy: row.Policy, agents: row.Catalogue, updates: map[int64]store.Job{}}
	y.known, err = policy.ParseCatalogue(row.Catalogue)
	must(b, err)
	secret, _, err := ledger.GenerateKey(rand.Reader, "bench.example.com")
	must(b, err)
	y.key, err = ledger.ParseKey(secret)
	must(b, err)
	y.now.Store(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro())
	y.file = filepath.Join(b.TempDir(), "year.db")
	y.st, err = store.Open(b.Context(), store.Options{URL: "sqlite:" + y.file, Signer: y.key, Now: y.clock})
	must(b, err)
	b.Cleanup(func() { must(b, y.st.Close()) })
	return y
}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (y *year) clock() time.Time { return time.UnixMicro(y.now.Load()).UTC() }

func repositoryName(id int64) string { return fmt.Sprintf("acme/service-%03d", id) }

// fill writes the year in rounds of one change per repository.
func (y *year) fill(b *testing.B) {
	b.Helper()
	for _, j := range y.claimed(b, func(id int64) store.Mark {
		return store.Mark{Kind: store.KindBranch, RepoID: id, Ref: "main"}
	}) {
		y.updates[j.RepoID] = j
	}
	rounds := yearChanges / yearRepositories
	for round := range rounds {
		y.now.Add((364 * 24 * time.Hour / time.Duration(rounds)).Microseconds())
		jobs := y.claimed(b, func(id int64) store.Mark { return store.Mark{RepoID: id, Number: round + 1} })
		limit := make(chan struct{}, 64)
		var all sync.WaitGroup
		for _, j := range jobs {
			limit <- struct{}{}
			all.Go(func() {
				defer func() { <-limit }()
				if err := y.serve(b, j); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
	}
}

// claimed marks something of every repository and claims everything that is due.
func (y *year) claimed(b *testing.B, mark func(id int64) store.Mark) []store.Job {
	b.Helper()
	var marks []store.Mark
	for id := int64(1); id <= yearRepositories; id++ {
		m := mark(id)
		m.OrgID, m.InstallationID, m.Repository = yearOrg, 1, repositoryName(id)
		marks = append(marks, m)
	}
	must(b, y.st.Mark(b.Context(), marks))
	jobs, err := y.st.Claim(b.Context(), "bench", 10*yearRepositories, 10*365*24*time.Hour)
	must(b, err)
	return jobs
}

// serve decides on a pull request and merges it.
func (y *year) serve(b *testing.B, j store.Job) error {
	if j.Kind != store.KindEvaluate {
		return y.st.Finish(b.Context(), j)
	}
	head := fmt.Sprintf("%020x%020x", j.RepoID, j.Number)
	var f policy.Facts
	text := bytes.ReplaceAll(bytes.ReplaceAll(y.facts, []byte(y.head), []byte(head)), []byte(`"acme/shop"`), []byte(`"`+j.Repository+`"`))
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	f.Repository.ID, f.Change.Number = j.RepoID, j.Number
	f.CollectedAt, f.EvaluatedAt = y.clock(), y.clock()
	judged, _, err := policy.ParseKept(y.policy, j.Repository)
	if err != nil {
		return err
	}
	d := policy.Evaluate(judged, y.known, &f)
	facts, err := json.Marshal(f)
	if err != nil {
		return err
	}
	decision, err := json.Marshal(d)
	if err != nil {
		return err
	}
	at := y.st.Tenant(yearOrg)
	recorded, err := at.Record(b.Context(), store.Record{
		Job: j, RepoID: j.RepoID, Repository: j.Repository, Number: j.Number, HeadSHA: head, BaseRef: "main", GoverningRef: "main", CheckName: "countersign",
		Open: true, Verdict: string(d.Verdict), Final: true, Facts: facts, Policy: y.policy, Catalogue: y.agents, Decision: decision,
	})
	if err != nil {
		return err
	}
	return y.merge(b, at, j, f, d, recorded)
}

// merge records that the pull request reached the branch.
func (y *year) merge(b *testing.B, at store.Tenant, j store.Job, f policy.Facts, d policy.Decision, recorded store.Recorded) error {
	id := int64(j.Number)*yearRepositories + j.RepoID
	after := fmt.Sprintf("%020x%020x", j.RepoID, yearChanges+j.Number)
	before := fmt.Sprintf("%020x%020x", j.RepoID, yearChanges+j.Number-1)
	u := policy.UpdateFacts{
		V: policy.UpdateVersion, RepositoryID: j.RepoID, Repository: j.Repository, Ref: "main", Mode: policy.ModeEnforce, ID: id, Type: policy.UpdateMerge,
		Before: before, After: after, At: y.clock(), Actor: f.Change.Author, Seq: id, ReceivedAt: y.clock(), Descends: policy.Yes, Files: f.Files,
		Changes: policy.List[policy.MergedChange]{Complete: true, Items: []policy.MergedChange{{Number: j.Number, HeadSHA: f.Change.HeadSHA, Files: policy.List[policy.File]{Complete: true},
			Before: &policy.PriorDecision{RecordID: recorded.RecordID, LeafIndex: recorded.LeafIndex, RecordedAt: y.clock(), Verdict: d.Verdict, Mode: d.Mode,
				GoverningRef: "main", Class: d.Authorship.Class, Agents: d.Authorship.Agents}}}},
	}
	u.Actor = policy.Actor{ID: 1, Login: "bob", Type: policy.TypeUser}
	body, err := json.Marshal(struct {
		V         int                `json:"v"`
		Update    policy.UpdateFacts `json:"update"`
		Findings  []policy.Finding   `json:"findings"`
		Catalogue string             `json:"catalogue"`
	}{1, u, []policy.Finding{}, policy.Builtin().Revision()})
	if err != nil {
		return err
	}
	branch := store.Branch{RepoID: j.RepoID, Repository: j.Repository, Ref: "main", Mode: "enforce", ActivityID: id, Tip: after, Since: y.clock()}
	return at.RecordUpdate(b.Context(), y.updates[j.RepoID], branch, store.Update{
		ActivityID: id, Before: before, After: after, Type: u.Type, ActorID: 1, Actor: "bob", At: y.clock(), Seq: id, ReceivedAt: y.clock(), Body: body}, nil)
}

// export writes a bundle of the year and returns where, with how much memory it took beyond what
// was in use.
func (y *year) export(b *testing.B, sample *evidence.SampleQuery) (file string, took time.Duration, peak uint64) {
	b.Helper()
	at := y.st.Tenant(yearOrg)
	out, err := os.Create(filepath.Join(b.TempDir(), "year.zip"))
	must(b, err)
	defer out.Close()
	began := time.Now()
	peak = peakOf(func() {
		_, _, err = bundler{key: y.key}.export(b.Context(), exportedLog{at}, bundleOrder{login: "acme", by: store.Who{User: "bench"},
			query: evidence.Query{From: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Sample: sample}}, out)
	})
	must(b, err)
	return out.Name(), time.Since(began), peak
}

// peakOf is the most memory that the heap took while something ran.
func peakOf(do func()) (peak uint64) {
	runtime.GC()
	done := make(chan struct{})
	var watched sync.WaitGroup
	watched.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse+m.StackInuse)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	do()
	close(done)
	watched.Wait()
	return peak
}

// verified is what it took to verify a bundle.
type verified struct {
	evidence.Report
	took time.Duration
	// cpu is the CPU time of the process meanwhile, and again that from the first decision that was
	// made again to the last.
	cpu, again time.Duration
	peak       uint64 // of the heap
}

// perCore is how many decisions were verified in a second of CPU time.
func (v verified) perCore(cpu time.Duration) float64 {
	return float64(v.Reperformed) / cpu.Seconds()
}

func (y *year) verify(b *testing.B, file string) (v verified) {
	b.Helper()
	in, err := os.Open(file)
	must(b, err)
	defer in.Close()
	size, err := in.Seek(0, io.SeekEnd)
	must(b, err)
	var first time.Duration
	trust := evidence.Trust{Key: y.key.Public(), Progress: func(done, total int64) {
		switch done {
		case 1:
			first = ownCPU(b)
		case total:
			v.again = ownCPU(b) - first
		}
	}}
	began, cpu := time.Now(), ownCPU(b)
	v.peak = peakOf(func() { v.Report, err = evidence.Verify(in, size, trust) })
	v.took, v.cpu = time.Since(began), ownCPU(b)-cpu
	must(b, err)
	return v
}

// BenchmarkYear exports a year of 100,000 changes with a sample of 60, and without one, and
// verifies both.
func BenchmarkYear(b *testing.B) {
	for range b.N {
		y := newYear(b, startAcme(b, fast))
		began := time.Now()
		y.fill(b)
		b.ReportMetric(time.Since(began).Seconds(), "s-filling")
		b.ReportMetric(float64(sizeOf(b, y.file))/(1<<20), "MiB-database")
		var seed evidence.Seed
		must(b, seed.UnmarshalText([]byte(auditorsSeed)))
		file, took, peak := y.export(b, &evidence.SampleQuery{Size: 60, Seed: seed})
		b.ReportMetric(took.Seconds(), "s-export-60")
		b.ReportMetric(float64(peak)/(1<<20), "MiB-export-60")
		got := y.verify(b, file)
		b.ReportMetric(got.took.Seconds(), "s-verify-60")
		b.ReportMetric(got.cpu.Seconds(), "cpu-s-verify-60")
		b.ReportMetric(float64(got.peak)/(1<<20), "MiB-verify-60")
		b.ReportMetric(float64(sizeOf(b, file))/(1<<20), "MiB-bundle-60")
		if c := got.Manifest.Counts; c.Population != yearChanges || c.Sample != 60 || c.Deviations != 0 {
			b.Fatalf("the year has %s changes: %+v", strconv.Itoa(yearChanges), c)
		}
		file, took, peak = y.export(b, nil)
		b.ReportMetric(took.Seconds(), "s-export-all")
		b.ReportMetric(float64(peak)/(1<<20), "MiB-export-all")
		b.ReportMetric(float64(sizeOf(b, file))/(1<<20), "MiB-bundle-all")
		got = y.verify(b, file)
		b.ReportMetric(float64(got.Reperformed)/got.took.Seconds(), "decisions/s-verify-all")
		b.ReportMetric(got.perCore(got.cpu), "decisions/cpu-s-verify-all")
		b.ReportMetric(got.perCore(got.again), "decisions/cpu-s-again")
		b.ReportMetric(float64(got.peak)/(1<<20), "MiB-verify-all")
		if got.Reperformed != yearChanges {
			b.Fatalf("%d of the decisions came out again", got.Reperformed)
		}
		b.ReportMetric(0, "ns/op")
	}
}

func sizeOf(b *testing.B, file string) int64 {
	b.Helper()
	info, err := os.Stat(file)
	must(b, err)
	return info.Size()
}
