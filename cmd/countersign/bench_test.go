package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/gh/ghsim"
)

// These benchmarks are whole scenarios: each is played once (-benchtime 1x) and reports what
// it saw. docs/benchmarks.md says what the figures were and what they are held against.

// BenchmarkRequests counts the requests of one evaluation by route.
func BenchmarkRequests(b *testing.B) {
	for range b.N {
		w := startAcme(b, fast)
		w.greenPull(b, "warm up")
		pr := w.untested("count me")
		w.mustSettle(b)
		look := func() {
			w.sim.ResetRequests()
			w.shop.CheckRun(w.app, pr.HeadSHA(), "countersign").Press(w.dave, "re-evaluate")
			w.mustSettle(b)
		}

		w.restart(b)
		look()
		reportRequests(b, w.sim, "cold: the first evaluation after a start", "cold")
		look()
		reportRequests(b, w.sim, "warm: the same head again, nothing changed", "warm")

		w.sim.ResetRequests()
		w.untested("a new head")
		w.mustSettle(b)
		reportRequests(b, w.sim, "a new pull request in a repository that is known (opened and assigned: two events), with its check run", "new")

		w.test(pr, "success")
		w.mustSettle(b)
		look()
		w.sim.ResetRequests()
		pr.Approve(w.bob)
		w.mustSettle(b)
		reportRequests(b, w.sim, "an approval that releases, with its check run", "release")

		hour := func() {
			w.later(time.Hour + time.Minute)
			w.mustSettle(b)
		}
		hour() // in which the approval ages, and what is due daily comes
		w.sim.ResetRequests()
		hour()
		reportRequests(b, w.sim, "an hour in which nothing happens: each branch that is followed is looked at once", "silent")
		b.ReportMetric(0, "ns/op")
	}
}

func reportRequests(b *testing.B, sim *ghsim.Sim, what, unit string) {
	counts := sim.RequestCounts()
	var all ghsim.Counter
	var table strings.Builder
	for _, route := range slices.Sorted(maps.Keys(counts)) {
		c := counts[route]
		all.Requests += c.Requests
		all.Billable += c.Billable
		all.NotModified += c.NotModified
		fmt.Fprintf(&table, "  %8d %8d %8d  %s\n", c.Requests, c.Billable, c.NotModified, route)
	}
	b.Logf("%s\n  requests billable      304\n%s  %8d %8d %8d  all", what, table.String(), all.Requests, all.Billable, all.NotModified)
	b.ReportMetric(float64(all.Requests), unit+"-requests")
	b.ReportMetric(float64(all.Billable), unit+"-billable")
}

// BenchmarkBurst spreads fifty check run events on one head over two seconds.
func BenchmarkBurst(b *testing.B) {
	for range b.N {
		w := startAcme(b, 0)
		pr := w.copilotPull("burst")
		w.mustSettle(b)
		ci := w.sim.App(ghsim.AppSpec{Slug: "buildbot"})
		before := w.decisions(b)
		w.sim.ResetRequests()
		tick := time.NewTicker(40 * time.Millisecond)
		for i := range 50 {
			<-tick.C
			w.shop.PostCheckRun(ci, pr.HeadSHA(), fmt.Sprintf("shard %d", i), "success")
		}
		tick.Stop()
		w.mustSettle(b)
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(w.decisions(b)-before), "evaluations")
		b.ReportMetric(float64(writes(w.sim)), "writes")
		reportRequests(b, w.sim, "50 check_run events on one head in 2 s", "burst")
	}
}

// percentile of times that are sorted.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func reportTimes(b *testing.B, what string, took []time.Duration) {
	slices.Sort(took)
	b.ReportMetric(millis(percentile(took, 50)), what+"p50-ms")
	b.ReportMetric(millis(percentile(took, 99)), what+"p99-ms")
}

// BenchmarkAcknowledge delivers 200 events a second for ten seconds while the worker serves
// them, and reports when each was answered, and the CPU time that the server took for them.
// The events are those of forty pull requests as GitHub sent them, under new ids.
func BenchmarkAcknowledge(b *testing.B) {
	const perSecond, seconds = 200, 10
	for range b.N {
		p := startProcess(b)
		p.watch(b)
		p.pulls(b, 40)
		deliveries := p.app.Deliveries()
		deliveries = slices.DeleteFunc(deliveries, func(d ghsim.Delivery) bool { return d.StatusCode != http.StatusAccepted })
		before, decided, own := p.cpu(b), p.decisions(b), ownCPU(b)

		took := make([]time.Duration, perSecond*seconds)
		var running sync.WaitGroup
		tick := time.NewTicker(time.Second / perSecond)
		for i := range took {
			<-tick.C
			running.Go(func() {
				began := time.Now()
				status, err := p.send(b.Context(), deliveries[i%len(deliveries)], fmt.Sprintf("%08x-0000-4000-8000-000000000000", i))
				took[i] = time.Since(began)
				if err != nil || status != http.StatusAccepted {
					b.Errorf("answered %d: %v", status, err)
				}
			})
		}
		tick.Stop()
		running.Wait()
		p.mustSettle(b)
		cpu := p.cpu(b) - before
		events := float64(len(took)) / 1000
		b.ReportMetric(0, "ns/op")
		reportTimes(b, "", took)
		b.ReportMetric(float64(percentile(took, 100).Microseconds())/1000, "max-ms")
		b.ReportMetric(cpu.Seconds()/events, "cpu-s/1000-events")
		b.Logf("%d deliveries of %v: %d evaluations; CPU: server %.1f s, simulator and load %.1f s",
			len(took), kinds(deliveries), p.decisions(b)-decided, cpu.Seconds(), (ownCPU(b) - own).Seconds())
	}
}

// kinds counts the deliveries by event.
func kinds(deliveries []ghsim.Delivery) map[string]int {
	n := map[string]int{}
	for _, d := range deliveries {
		n[d.Event]++
	}
	return n
}

// BenchmarkWebhookToCheckRun measures from an event on GitHub to the check run on GitHub,
// one pull request after the other.
func BenchmarkWebhookToCheckRun(b *testing.B) {
	for _, latency := range []time.Duration{0, 80 * time.Millisecond} {
		b.Run(fmt.Sprintf("latency=%s", latency), func(b *testing.B) {
			for range b.N {
				p := startProcess(b)
				p.watch(b)
				pulls := p.pulls(b, 52)
				p.sim.Faults.SetLatency(latency)
				var approved, opened []time.Duration
				for i, pr := range pulls {
					release := p.untilWritten(b, func() { pr.Approve(p.bob) })
					open := p.untilWritten(b, func() { p.untested(fmt.Sprintf("new %d", i)) })
					if i >= 2 { // two to warm up
						approved, opened = append(approved, release), append(opened, open)
					}
				}
				b.ReportMetric(0, "ns/op")
				reportTimes(b, "approved-", approved)
				reportTimes(b, "opened-", opened)
			}
		})
	}
}

// untilWritten is the time from an event to the end of the request that wrote the check run.
// It returns when everything is quiet again.
func (p *process) untilWritten(b *testing.B, event func()) time.Duration {
	p.sim.ResetRequests()
	began := time.Now()
	event()
	p.mustSettle(b)
	for _, r := range p.sim.Requests() {
		if strings.Contains(r.Route, "/check-runs") && r.Method != http.MethodGet && r.Status < 300 {
			return r.At.Add(r.Duration).Sub(began)
		}
	}
	b.Fatal("no check run was written")
	return 0
}

// BenchmarkSustained keeps two hundred pull requests in four repositories dirty and counts
// the evaluations. Nothing changes between them, so they read and record, and write nothing.
func BenchmarkSustained(b *testing.B) {
	for _, workers := range []int{32, 128} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			for range b.N {
				p := startProcess(b, fmt.Sprintf("COUNTERSIGN_WORKERS=%d", workers))
				p.watch(b)
				p.pulls(b, 200)
				b.ReportMetric(0, "ns/op")
				for _, latency := range []time.Duration{0, 80 * time.Millisecond} {
					p.sim.Faults.SetLatency(latency)
					p.sustain(b, latency)
				}
			}
		})
	}
}

const (
	warmUp  = 4 * time.Second
	measure = 8 * time.Second
)

// sustain marks every pull request again as soon as it was evaluated, by p or by one of its twins.
func (p *process) sustain(b *testing.B, latency time.Duration, twins ...*process) {
	serversCPU := func() time.Duration {
		sum := p.cpu(b)
		for _, q := range twins {
			sum += q.cpu(b)
		}
		return sum
	}
	events := p.newestEvents(b)
	// Fewer marks are under way than there are pull requests, so none is marked twice
	// before it is served.
	most := int64(len(events) * 9 / 10)
	first := p.leaves(b)
	var sent, served atomic.Int64
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if sent.Load()-served.Load() >= most {
					served.Store(p.leaves(b) - first)
					<-time.After(2 * time.Millisecond)
					continue
				}
				i := sent.Add(1)
				status, err := p.send(b.Context(), events[i%int64(len(events))], fmt.Sprintf("%08x-0000-4000-8000-%012x", i, latency))
				if err != nil || status != http.StatusAccepted {
					b.Errorf("answered %d: %v", status, err)
				}
			}
		})
	}
	<-time.After(warmUp)
	p.sim.ResetRequests()
	from, cpu, own := time.Now(), serversCPU(), ownCPU(b)
	<-time.After(measure)
	took, cpu, own := time.Since(from), serversCPU()-cpu, ownCPU(b)-own
	counts := p.sim.RequestCounts()
	close(stop)
	running.Wait()

	requests := 0
	for _, c := range counts {
		requests += c.Requests
	}
	evaluations := float64(counts["POST /graphql"].Requests) // each makes one query
	at := fmt.Sprintf("at-%dms-", latency.Milliseconds())
	b.ReportMetric(evaluations/took.Seconds(), at+"evaluations/s")
	b.ReportMetric(cpu.Seconds()/evaluations*1000, at+"cpu-s/1000")
	b.Logf("%s of latency: %.0f evaluations and %d requests in %.1f s; CPU: server %.1f s, simulator and load %.1f s",
		latency, evaluations, requests, took.Seconds(), cpu.Seconds(), own.Seconds())
	p.mustSettle(b)
}

// newestEvents is the newest pull_request event of each pull request.
func (p *process) newestEvents(b *testing.B) []ghsim.Delivery {
	return slices.DeleteFunc(p.currentEvents(b), func(d ghsim.Delivery) bool { return d.Event != "pull_request" })
}

// currentEvents is the newest event of each thing of which there was one: what it says still holds.
// An older one that comes again contradicts what GitHub shows, and is waited for.
func (p *process) currentEvents(b *testing.B) []ghsim.Delivery {
	newest := map[string]ghsim.Delivery{}
	for _, d := range p.app.Deliveries() {
		if d.StatusCode != http.StatusAccepted {
			continue
		}
		var e struct {
			Number      int
			Ref         string
			PullRequest struct{ Number int } `json:"pull_request"`
			CheckRun    struct{ ID int64 }   `json:"check_run"`
			CheckSuite  struct{ ID int64 }   `json:"check_suite"`
			Review      struct{ ID int64 }
			Repository  struct{ Name string }
		}
		orFatal(b, json.Unmarshal(d.Payload, &e))
		newest[fmt.Sprint(d.Event, " ", e)] = d
	}
	var list []ghsim.Delivery
	for _, key := range slices.Sorted(maps.Keys(newest)) {
		list = append(list, newest[key])
	}
	return list
}
