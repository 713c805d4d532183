package main

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkOnPostgresReplicas keeps a hundred pull requests dirty for one, two and three servers on
// one PostgreSQL, of which the first takes all deliveries. Each has so few workers that it waits for
// GitHub most of the time: with all of them on the same cores, else only these would be measured.
func BenchmarkOnPostgresReplicas(b *testing.B) {
	const workers = "COUNTERSIGN_WORKERS=4"
	for servers := range 3 {
		b.Run(fmt.Sprintf("servers=%d", servers+1), func(b *testing.B) {
			for range b.N {
				p := startProcess(b, workers)
				var twins []*process
				for range servers {
					twins = append(twins, p.twin(b, workers))
				}
				p.watch(b)
				p.pulls(b, 100)
				b.ReportMetric(0, "ns/op")
				for _, latency := range []time.Duration{0, 80 * time.Millisecond} {
					p.sim.Faults.SetLatency(latency)
					p.sustain(b, latency, twins...)
				}
			}
		})
	}
}
