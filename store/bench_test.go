package store

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// payload is as large as a usual pull_request payload.
var payload = bytes.Repeat([]byte(`{"pull_request":{"number":1}}`), 700)

// report adds percentiles of the times that single calls took.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkReceive measures callers who each wait for their delivery to be durable, with
// writes that share a commit and without.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct{ callers, batch int }{{1, maxBatch}, {64, maxBatch}, {1, 1}, {64, 1}} {
		b.Run(fmt.Sprintf("callers=%d/batch=%d", c.callers, c.batch), func(b *testing.B) {
			s := openSQLite(b, Options{WritesPerMinute: 1 << 30})
			s.writer.max = c.batch
			took := make([]time.Duration, b.N)
			var next atomic.Int64
			done := make(chan struct{})
			b.ResetTimer()
			for range c.callers {
				go func() {
					defer func() { done <- struct{}{} }()
					for {
						i := next.Add(1) - 1
						if i >= int64(b.N) {
							return
						}
						a := arrival(strconv.FormatInt(i, 10), acme, int(i%500)+1, strconv.FormatInt(i%1000, 10))
						a.Payload = payload
						began := time.Now()
						if _, err := s.Receive(b.Context(), a); err != nil {
							b.Error(err)
						}
						took[i] = time.Since(began)
					}
				}()
			}
			for range c.callers {
				<-done
			}
			b.StopTimer()
			report(b, took)
		})
	}
}

// BenchmarkReceiveAt200 measures the acknowledgement at 200 deliveries a second while a
// worker claims, records and publishes what they ask for.
func BenchmarkReceiveAt200(b *testing.B) {
	s := openSQLite(b, Options{WritesPerMinute: 1 << 30})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-s.Wake():
			}
			for work(b, s, 16) > 0 {
			}
		}
	}()
	took := make([]time.Duration, b.N)
	results := make(chan error)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		go func() {
			a := arrival(strconv.Itoa(i), acme, i%500+1, strconv.Itoa(i))
			a.Payload = payload
			began := time.Now()
			_, err := s.Receive(b.Context(), a)
			took[i] = time.Since(began)
			results <- err
		}()
		select {
		case err := <-results:
			ok(b, err)
		default:
		}
	}
	for received := false; !received; {
		select {
		case err := <-results:
			ok(b, err)
		case <-time.After(100 * time.Millisecond):
			received = true
		}
	}
	b.StopTimer()
	close(stop)
	s.poke()
	<-stopped
	report(b, took)
}

// work does what a worker does with the store, for at most limit jobs.
func work(b *testing.B, s *Store, limit int) int {
	jobs, err := s.Claim(b.Context(), "bench", limit, time.Minute)
	ok(b, err)
	done := make(chan error)
	for _, j := range jobs {
		go func() { done <- serve(b, s, j) }()
	}
	for range jobs {
		ok(b, <-done)
	}
	return len(jobs)
}

func serve(b *testing.B, s *Store, j Job) error {
	n := s.Tenant(j.OrgID)
	if j.Kind == KindEvaluate {
		r := decision(j, "h"+strconv.Itoa(j.Number), "fail", 2)
		r.Facts = append([]byte(j.Lease), payload...)
		_, err := n.Record(b.Context(), r)
		return err
	}
	p, err := n.Publication(b.Context(), j.RepoID, j.HeadSHA, j.CheckName)
	if err != nil {
		return err
	}
	if err := n.BeginPublish(b.Context(), j, p.Wanted.RecordID, WriteFlip); err != nil {
		return err
	}
	return n.Published(b.Context(), j, Published{RecordID: p.Wanted.RecordID, GitHubID: 1, Said: "s", Status: "completed"})
}

// BenchmarkEvaluation measures all that the store does for one event, with 16 jobs at a time:
// Receive, Claim, Record, Claim, Publication, BeginPublish, Published.
func BenchmarkEvaluation(b *testing.B) {
	s := openSQLite(b, Options{WritesPerMinute: 1 << 30})
	b.ResetTimer()
	for i := 0; i < b.N; i += 16 {
		done := make(chan error)
		for k := range 16 {
			go func() {
				_, err := s.Receive(b.Context(), arrival(strconv.Itoa(i+k), acme, k+1, "h"+strconv.Itoa(k+1)))
				done <- err
			}()
		}
		for range 16 {
			ok(b, <-done)
		}
		for work(b, s, 16) > 0 {
		}
	}
}

// BenchmarkClaimFinish measures jobs without any work in them, one worker.
func BenchmarkClaimFinish(b *testing.B) {
	s := openSQLite(b, Options{WritesPerMinute: 1 << 30})
	for i := 0; b.Loop(); i++ {
		ok(b, s.Mark(b.Context(), []Mark{{OrgID: acme, RepoID: repo, Number: i%100 + 1}}))
		jobs, err := s.Claim(b.Context(), "bench", 1, time.Minute)
		ok(b, err)
		ok(b, s.Finish(b.Context(), jobs[0]))
	}
}

// BenchmarkAppendLeaf measures a leaf alone, in a transaction of its own and in one of 256.
func BenchmarkAppendLeaf(b *testing.B) {
	for _, batch := range []int{1, 256} {
		b.Run("batch="+strconv.Itoa(batch), func(b *testing.B) {
			s := openSQLite(b, Options{WritesPerMinute: 1 << 30})
			ok(b, s.Mark(b.Context(), []Mark{{OrgID: acme, RepoID: repo, Number: 1}}))
			b.ResetTimer()
			for i := 0; i < b.N; i += batch {
				ok(b, s.write(b.Context(), "append", func(t *txn) error {
					for range batch {
						h, err := s.ensureLog(t, acme)
						if err != nil {
							return err
						}
						if _, err := appendLeaf(t, acme, h, "bench", time.Now(), newSalt(), payload[:100]); err != nil {
							return err
						}
					}
					return nil
				}))
			}
		})
	}
}

// BenchmarkCheckLedger measures the check of one decision.
func BenchmarkCheckLedger(b *testing.B) {
	s := openSQLite(b, Options{WritesPerMinute: 1 << 30})
	const decisions = 2000
	for i := range decisions {
		receive(b, s, arrival(strconv.Itoa(i), acme, i+1, strconv.Itoa(i)))
	}
	for work(b, s, 64) > 0 {
	}
	for b.Loop() {
		if r := must(s.Tenant(acme).CheckLedger(b.Context(), nil)); r.FirstBad != nil || r.Size != decisions {
			b.Fatalf("got %+v", r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/decisions, "ns/leaf")
}
