package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// An organisation with a million changes in a year, for the times of pages.
const (
	pageChanges      = 1_000_000
	pageRepositories = 200
	pageDays         = 365
)

// Rows as the store writes them, made in the database: $1 organisation, $2 record of a decision that
// is there, $3 how many, $4 repositories, $5 midnight of the last day, $6 days.
var pageRows = []string{
	`CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < $3)
SELECT i, 1000000 + i AS leaf, 5000000 + i % $4 AS repo, $5 - (i * 7919 % $6) * 86400000000 AS day, CASE WHEN i % 10 < 4 THEN 'agent' ELSE 'undetected' END AS class,
  CASE i % 20 WHEN 0 THEN 'devin' ELSE 'copilot-cloud-agent' END AS agent, CASE WHEN i % 50 = 0 THEN 'no' ELSE 'yes' END AS reviews, CASE WHEN i % 30 = 0 THEN 'fail' ELSE 'pass' END AS verdict FROM c`,
	`INSERT INTO listed_changes SELECT $1, repo, i, $2, leaf, day, 'acme/r' || repo, 'main', 'Change ' || i, 'dave', class, 'enforce', verdict, 'Approved' FROM n`,
	`INSERT INTO listed_marks SELECT $1, 'class:' || class, leaf, repo, i FROM n`,
	`INSERT INTO listed_marks SELECT $1, 'verdict:' || verdict, leaf, repo, i FROM n`,
	`INSERT INTO listed_marks SELECT $1, 'agent:' || agent, leaf, repo, i FROM n WHERE class = 'agent'`,
	`INSERT INTO merged_changes SELECT $1, leaf, i, day, repo, i, 'acme/r' || repo, 'main', class, CASE class WHEN 'agent' THEN agent ELSE '' END, reviews, 3, 0, 60000000 * (i % 500), 'no-time' FROM n`,
	`INSERT INTO merged_marks SELECT $1, 'any', day, leaf, i FROM n ORDER BY day, leaf`,
	`INSERT INTO merged_marks SELECT $1, 'reviewed:' || reviews, day, leaf, i FROM n ORDER BY reviews, day, leaf`,
	`INSERT INTO merged_days SELECT $1, repo, day / 86400000000, CAST(json_object('any', COUNT(*), 'pull', COUNT(*), 'agent', SUM(class = 'agent'), 'by:devin', SUM(class = 'agent' AND agent = 'devin'),
  'by:copilot-cloud-agent', SUM(class = 'agent' AND agent <> 'devin'), 'class:undetected', SUM(class <> 'agent'), 'reviewed:yes', SUM(reviews = 'yes'), 'reviewed:no', SUM(reviews = 'no'),
  'agent-reviewed:yes', SUM(class = 'agent' AND reviews = 'yes'), 'agent-reviewed:no', SUM(class = 'agent' AND reviews = 'no'), 'attempts', 3 * COUNT(*), 'failed', 0,
  'latency:60', SUM(i % 5 = 0), 'latency:300', SUM(i % 5 = 1), 'latency:3600', SUM(i % 5 = 2), 'latency:14400', SUM(i % 5 = 3), 'latency:none', SUM(i % 5 = 4), 'kept:no-time', COUNT(*)) AS BLOB)
FROM n GROUP BY repo, day`,
	`INSERT INTO merged_days SELECT org_id, 0, day, CAST(json_object('any', SUM(json_extract(counts, '$.any')), 'pull', SUM(json_extract(counts, '$.pull')), 'agent', SUM(json_extract(counts, '$.agent')),
  'by:devin', SUM(json_extract(counts, '$."by:devin"')), 'by:copilot-cloud-agent', SUM(json_extract(counts, '$."by:copilot-cloud-agent"')), 'class:undetected', SUM(json_extract(counts, '$."class:undetected"')),
  'reviewed:yes', SUM(json_extract(counts, '$."reviewed:yes"')), 'reviewed:no', SUM(json_extract(counts, '$."reviewed:no"')), 'latency:300', SUM(json_extract(counts, '$."latency:300"')), 'kept:no-time', SUM(json_extract(counts, '$.pull'))) AS BLOB)
FROM (SELECT org_id, day, CAST(counts AS TEXT) AS counts FROM merged_days WHERE repo_id > 0 AND org_id = $1) WHERE true GROUP BY org_id, day ON CONFLICT DO UPDATE SET counts = excluded.counts`,
	`INSERT INTO branches SELECT $1, repo, 'main', 'acme/r' || repo, 'enforce', 1, '', 0, $5, 0 FROM (SELECT DISTINCT repo FROM n)`,
	`INSERT INTO session_repositories SELECT s.session, s.org_id, r.repo FROM session_orgs s, (SELECT DISTINCT repo FROM n) r WHERE s.org_id = $1 AND s.role = 'viewer'`,
}

// BenchmarkPages opens pages of an organisation with a million changes, each twenty times. The times
// are of whole requests, on the server's machine.
func BenchmarkPages(b *testing.B) {
	for range b.N {
		w := startAcme(b, fast)
		check := w.check(w.greenPull(b, "as all the others"), "countersign")
		carol, _ := w.signIn(b, w.carol)
		erin := w.sim.User("erin")
		w.shop.Collaborator(erin, "read")
		viewer, _ := w.signIn(b, erin)
		began := time.Now()
		w.manyChanges(b, check.ExternalID)
		b.Logf("%d changes in %d repositories and %d days, made in %.0f s", pageChanges, pageRepositories, pageDays, time.Since(began).Seconds())
		b.ReportMetric(0, "ns/op")
		for _, page := range []struct {
			name, path string
			who        *browser
		}{
			{"changes", "/orgs/acme/changes", carol},
			{"changes-of-agents-that-fail", "/orgs/acme/changes?verdict=fail&class=agent", carol},
			{"changes-of-a-viewer", "/orgs/acme/changes", viewer},
			{"change", check.DetailsURL[len(publicURL):], carol},
			{"overview", "/orgs/acme/overview", carol},
			{"overview-of-a-year", fmt.Sprintf("/orgs/acme/overview?from=%s&to=%s", day(-pageDays), day(0)), carol},
			{"overview-of-a-viewer", "/orgs/acme/overview", viewer},
			{"merged-without-review", "/orgs/acme/merged?what=reviewed:no", carol},
			{"agents", "/orgs/acme/agents", carol},
			{"protection", "/orgs/acme/protection", carol},
			{"exceptions", "/orgs/acme/exceptions", carol},
		} {
			took := make([]time.Duration, 20)
			for i := range took {
				began := time.Now()
				if status, text := page.who.get(page.path); status != http.StatusOK {
					b.Fatalf("%s: got %d: %s", page.path, status, text)
				}
				took[i] = time.Since(began)
			}
			slices.Sort(took)
			b.ReportMetric(millis(percentile(took, 50)), page.name+"-p50-ms")
			b.Logf("%-30s p50 %6.1f ms, longest %6.1f ms", page.name, millis(percentile(took, 50)), millis(took[len(took)-1]))
		}
	}
}

// manyChanges writes the rows of changes that nobody made.
func (w *acme) manyChanges(b *testing.B, record string) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(w.folder, "countersign.db")+"?_pragma=busy_timeout(60000)&_pragma=cache_size(-300000)&_pragma=synchronous(OFF)&_pragma=temp_store(MEMORY)")
	must(b, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	last := time.Now().UTC().Truncate(24 * time.Hour).UnixMicro()
	for _, statement := range pageRows {
		_, err := db.ExecContext(b.Context(), statement, w.org.ID(), record, pageChanges, pageRepositories, last, pageDays)
		must(b, err)
	}
}
