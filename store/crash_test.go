package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"strings"
	"testing"
	"time"
)

// victim is the variable that makes the test binary a process that is going to be killed.
const victim = "COUNTERSIGN_TEST_VICTIM"

func TestMain(m *testing.M) {
	if url := os.Getenv(victim); url != "" {
		beKilled(url)
		return
	}
	os.Exit(m.Run())
}

// beKilled receives deliveries and records decisions as fast as it can, and prints the id of
// each delivery and record after the store has said that it is durable.
func beKilled(url string) {
	ctx := context.Background()
	s, err := Open(ctx, Options{URL: url, Origin: "log.example"})
	if err != nil {
		panic(err)
	}
	said := make(chan string)
	for g := range 8 {
		go func() {
			for i := range 1 << 30 {
				a := arrival(newRecordID(), acme, 1+(g+i)%20, "h")
				must(s.Receive(ctx, a))
				said <- "delivery " + a.DeliveryID
			}
		}()
	}
	go func() {
		for {
			for _, j := range must(s.Claim(ctx, "victim", 8, time.Minute)) {
				if j.Kind != KindEvaluate {
					continue
				}
				r := must(s.Tenant(acme).Record(ctx, decision(j, "h", "pass", 0)))
				said <- "record " + r.RecordID
			}
			must(s.Tenant(acme).SealObservations(ctx))
		}
	}()
	for line := range said {
		fmt.Println(line)
	}
}

// What was acknowledged before a kill -9 is there afterwards, and the log holds.
func testKilled(t *testing.T, open opener) {
	url := urlOf(t, open(t, Options{}))
	var said []string
	for range 6 {
		said = append(said, killOne(t, url, 20+rand.IntN(300))...)
	}
	s := openAt(t, Options{URL: url})
	received := map[string]bool{}
	for number := 1; number <= 20; number++ {
		for _, o := range must(s.Tenant(acme).Observations(t.Context(), repo, number)) {
			received["delivery "+o.DeliveryID] = true
		}
	}
	records := 0
	for _, line := range said {
		if id, is := strings.CutPrefix(line, "record "); is {
			records++
			if _, err := s.Tenant(acme).Decision(t.Context(), id); err != nil {
				t.Errorf("acknowledged, and lost: %v", err)
			}
		} else if !received[line] {
			t.Errorf("acknowledged, and lost: %s", line)
		}
	}
	if records == 0 || records == len(said) {
		t.Errorf("%d records of %d acknowledgements: the test tests little", records, len(said))
	}
	report := must(s.Tenant(acme).CheckLedger(t.Context(), nil))
	if report.FirstBad != nil || report.Kinds[LeafDecision] < int64(records) {
		t.Errorf("got %+v, want at least %d decisions", report, records)
	}
	// Every subject is either done or still wanted: the leases of the dead run out.
	st := must(s.QueueStats(t.Context()))
	if st.Dead != 0 || st.Ready+st.Leased == 0 {
		t.Errorf("got %+v, want work to be left", st)
	}
}

// killOne starts a process, kills it after so many acknowledgements and returns all of them.
func killOne(t *testing.T, url string, after int) []string {
	t.Helper()
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		// A line that was cut by the kill is not an acknowledgement.
		if f := strings.Fields(lines.Text()); len(f) == 2 && len(f[1]) == 36 {
			said = append(said, lines.Text())
		}
		if len(said) == after {
			ok(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); err == nil || len(said) < after {
		t.Fatalf("the process ended by itself after %d acknowledgements: %v", len(said), err)
	}
	return said
}
