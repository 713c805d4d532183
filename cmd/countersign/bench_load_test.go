package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/store"
)

// BenchmarkEvents delivers 600 events a second for ten seconds, of two hundred pull requests and
// with 80 ms of latency. It reports when they were acknowledged, and how long after the last one
// everything was decided: many events of one pull request are one evaluation.
func BenchmarkEvents(b *testing.B) {
	const perSecond, seconds = 600, 10
	for range b.N {
		p := startProcess(b, "COUNTERSIGN_WORKERS=128")
		p.watch(b)
		p.pulls(b, 200)
		deliveries := p.currentEvents(b)
		p.sim.Faults.SetLatency(80 * time.Millisecond)
		p.sim.ResetRequests()
		before, decided := p.cpu(b), p.decisions(b)
		took, ended := make([]time.Duration, perSecond*seconds), make([]time.Duration, perSecond*seconds)
		var running sync.WaitGroup
		began := time.Now()
		for i := range took {
			<-time.After(time.Until(began.Add(time.Duration(i) * time.Second / perSecond)))
			running.Go(func() {
				sent := time.Now()
				status, err := p.send(b.Context(), deliveries[i*7919%len(deliveries)], fmt.Sprintf("%08x-0000-4000-8000-00000000e0e0", i))
				took[i], ended[i] = time.Since(sent), time.Since(began)
				if err != nil || status != http.StatusAccepted {
					b.Errorf("answered %d: %v", status, err)
				}
			})
		}
		running.Wait()
		acknowledged := slices.Max(ended)
		p.waitFor(b, 5*time.Minute, func() bool { return p.undecided(b) == 0 })
		events := float64(len(took))
		requests := 0
		for _, c := range p.sim.RequestCounts() {
			requests += c.Requests
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(events/acknowledged.Seconds(), "events/s")
		reportTimes(b, "", took)
		b.ReportMetric((time.Since(began) - acknowledged).Seconds(), "s-until-decided")
		b.ReportMetric(float64(p.decisions(b)-decided)/events*1000, "evaluations/1000-events")
		b.ReportMetric(float64(requests)/events*1000, "requests/1000-events")
		b.ReportMetric((p.cpu(b)-before).Seconds()/events*1000, "cpu-s/1000-events")
		b.Logf("of %v", kinds(deliveries))
	}
}

// undecided are the pull requests and check runs that are due to be looked at and written. What is
// put off in favour of these does not count: GitHub's limits are kept for decisions.
func (p *process) undecided(b *testing.B) (n int) {
	b.Helper()
	jobs, err := p.server.store.Tenant(p.org.ID()).Jobs(b.Context(), 10_000)
	orFatal(b, err)
	for _, j := range jobs {
		if (j.Kind == store.KindEvaluate || j.Kind == store.KindPublish) && time.Until(j.DueAt) < time.Minute {
			n++
		}
	}
	return n
}

// Rows of open pull requests that wait to be looked at again in some hours: $1 organisation, $2 the
// installation, $3 how many, $4 when they are looked at, $5 now.
var openRows = []string{
	`CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $3) SELECT i, 5000000 + i % 500 AS repo, printf('%040x', i) AS head FROM c`,
	`INSERT INTO changes (org_id, repo_id, number, repository, installation_id, head_sha, base_ref, governing_ref, is_open, updated_at, record_id, decided_head, check_name, verdict, severity, final)
SELECT $1, repo, i, 'acme/r' || repo, $2, head, 'main', 'main', 1, $5, '', '', '', '', 0, 0 FROM n`,
	`INSERT INTO change_heads (org_id, repo_id, head_sha, number) SELECT $1, repo, head, i FROM n`,
	`INSERT INTO jobs (org_id, kind, ukey, installation_id, repo_id, repository, number, head_sha, check_name, ref, delivery_id, wanted_gen, done_gen, attempts, run_at,
  hold_until, enqueued_at, next_enqueued_at, started_at, lease, lease_owner, lease_until, dead, last_error, last_error_at)
SELECT $1, 'evaluate', CAST(repo AS TEXT) || '/' || CAST(i AS TEXT), $2, repo, 'acme/r' || repo, i, '', '', '', '', 2, 1, 0, $4, 0, $5, 0, $5, '', '', 0, 0, '', 0 FROM n`,
}

// BenchmarkOpenSubjects measures the memory of a server, and how fast it still decides, with so many
// open pull requests that wait for something.
func BenchmarkOpenSubjects(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for range b.N {
				p := startProcess(b)
				p.watch(b)
				p.pulls(b, 40)
				orFatal(b, p.server.store.Close())
				p.terminate(b)
				p.openSubjects(b, n)
				p.start(b)
				p.watch(b)
				decided := p.decidedSoFar(b)
				events := p.newestEvents(b)
				took := make([]time.Duration, 400)
				for i := range took {
					before, sent := decided(), time.Now()
					status, err := p.send(b.Context(), events[i%len(events)], fmt.Sprintf("%08x-0000-4000-8000-00000000f0f0", i))
					if err != nil || status != http.StatusAccepted {
						b.Fatalf("answered %d: %v", status, err)
					}
					p.waitUntil(b, func() bool { return decided() > before })
					took[i] = time.Since(sent)
				}
				b.ReportMetric(0, "ns/op")
				reportTimes(b, "decided-", took)
				b.ReportMetric(p.memory(b, "VmRSS"), "MiB")
				b.ReportMetric(p.memory(b, "VmHWM"), "MiB-most")
			}
		})
	}
}

// decidedSoFar returns what counts the decisions, without anything else that the log gets.
func (p *process) decidedSoFar(b *testing.B) func() (n int) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.folder, "countersign.db")+"?mode=ro")
	orFatal(b, err)
	b.Cleanup(func() { orFatal(b, db.Close()) })
	return func() (n int) {
		orFatal(b, db.QueryRowContext(b.Context(), "SELECT COUNT(*) FROM decisions").Scan(&n))
		return n
	}
}

// openSubjects writes the rows of open pull requests that nobody made.
func (p *process) openSubjects(b *testing.B, n int) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(p.folder, "countersign.db"))
	orFatal(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	now := time.Now()
	for _, statement := range openRows {
		_, err := db.ExecContext(b.Context(), statement, p.org.ID(), p.app.Install(p.org).ID(), n, now.Add(6*time.Hour).UnixMicro(), now.UnixMicro())
		orFatal(b, err)
	}
}

// memory is a figure of the process in MiB, as Linux keeps it.
func (p *process) memory(b *testing.B, figure string) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	orFatal(b, err)
	for line := range bytes.Lines(status) {
		if rest, is := bytes.CutPrefix(line, []byte(figure+":")); is {
			var kB float64
			_, err := fmt.Sscanf(string(rest), "%f kB", &kB)
			orFatal(b, err)
			return kB / 1024
		}
	}
	b.Fatalf("%s is not in %s", figure, status)
	return 0
}
