package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/facts"
	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

const (
	org, repo = 1001, 2002
	number    = 7
)

var (
	oldHead = strings.Repeat("a", 40)
	newHead = strings.Repeat("b", 40)
	noon    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	alice   = gh.Account{ID: 1, Login: "alice", Type: "User"}
	bob     = gh.Account{ID: 2, Login: "bob", Type: "User"}
)

// A job that was asked for by a clock that was set back since does not look as if it were new.
func TestWaitedByAClockThatWasSetBack(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{-2 * time.Second: 2 * time.Second, 0: 0, time.Hour: time.Minute} {
		if got := waited(noon, store.Job{EnqueuedAt: noon.Add(asked)}); got != want {
			t.Errorf("asked for %s from now: waited %s, want %s", asked, got, want)
		}
	}
}

// inbox is a real store that events are received into.
type inbox struct {
	*store.Store
	received int
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	st, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "c.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return &inbox{Store: st}
}

func (in *inbox) receive(t *testing.T, e gh.Event, n int, head string) {
	t.Helper()
	body, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	in.received++
	id := fmt.Sprintf("d%d", in.received)
	at := noon.Add(time.Duration(in.received) * time.Second)
	_, err = in.Receive(t.Context(), store.Arrival{
		DeliveryID: id, Event: e.Name, Action: e.Action, OrgID: org, RepoID: repo, ReceivedAt: at,
		Observation: &store.Observation{DeliveryID: id, Event: e.Name, Action: e.Action, OrgID: org, RepoID: repo, ReceivedAt: at, Number: n, HeadSHA: head, Body: body},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (in *inbox) known(t *testing.T) known {
	t.Helper()
	k, err := loadKnown(t.Context(), in.Tenant(org), store.Job{OrgID: org, RepoID: repo, Number: number})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func change(action, head string, updated time.Time, by gh.Account) gh.Event {
	return gh.Event{Name: "pull_request", Action: action, Sender: by, PullRequest: &gh.EventPullRequest{
		Number: number, HeadSHA: head, HeadRef: "topic", BaseRef: "main", UpdatedAt: updated, Before: oldHead, After: head}}
}

func TestKnownFollowsTheNewestStateNotTheLastDelivery(t *testing.T) {
	in := newInbox(t)
	in.receive(t, change("opened", oldHead, noon, alice), number, oldHead)
	in.receive(t, change("synchronize", newHead, noon.Add(time.Minute), bob), number, newHead)
	in.receive(t, change("labeled", oldHead, noon.Add(time.Second), alice), number, oldHead) // delayed
	k := in.known(t)
	if k.head != newHead || k.base != "main" {
		t.Errorf("got head %.7s on %s, want the newest by GitHub's clock", k.head, k.base)
	}
	if len(k.Seen) != 3 {
		t.Errorf("got %d states, want all three", len(k.Seen))
	}
	if len(k.Pushes) != 2 || k.Pushes[0].Pusher.ID != alice.ID || k.Pushes[1].Pusher.ID != bob.ID || k.Pushes[1].Before != oldHead {
		t.Errorf("pushes: got %+v", k.Pushes)
	}
}

func TestKnownKeepsTheReviewAsItCameIn(t *testing.T) {
	in := newInbox(t)
	in.receive(t, change("opened", oldHead, noon, alice), number, oldHead)
	for i, commit := range []string{oldHead, newHead} { // the second is the same review, seen again later
		e := change("submitted", oldHead, noon.Add(time.Duration(i)*time.Second), bob)
		e.Name, e.Review = "pull_request_review", &gh.EventReview{ID: 9, State: "approved", CommitSHA: commit, User: bob}
		in.receive(t, e, number, oldHead)
	}
	gone := change("dismissed", oldHead, noon.Add(time.Minute), alice)
	gone.Name, gone.Review = "pull_request_review", &gh.EventReview{ID: 9, State: "dismissed", CommitSHA: newHead, User: bob}
	in.receive(t, gone, number, oldHead)
	k := in.known(t)
	if r := k.Reviews[9]; r.CommitSHA != oldHead || r.HeadSHA != oldHead || r.Seq != 2 || r.DeliveryID != "d2" {
		t.Errorf("got %+v, want the first delivery of the review", r)
	}
	if k.Dismissals[9].IsZero() {
		t.Error("the dismissal is not known")
	}
}

func TestKnownOfTheHead(t *testing.T) {
	in := newInbox(t)
	in.receive(t, gh.Event{Name: "push", Sender: bob, Push: &gh.EventPush{Ref: "refs/heads/topic", After: oldHead}}, 0, oldHead)
	in.receive(t, gh.Event{Name: "push", Sender: alice, Push: &gh.EventPush{Ref: "refs/heads/elsewhere", After: oldHead}}, 0, oldHead)
	in.receive(t, change("opened", oldHead, noon, alice), number, oldHead)
	for _, status := range []string{"queued", "completed"} {
		in.receive(t, gh.Event{Name: "check_run", Action: status, CheckRun: &gh.EventCheckRun{ID: 5, HeadSHA: oldHead, Status: status}}, 0, oldHead)
	}
	in.receive(t, gh.Event{Name: "check_run", Action: "rerequested", CheckRun: &gh.EventCheckRun{ID: 6, HeadSHA: oldHead, Status: "completed"}}, 0, oldHead)
	in.receive(t, gh.Event{Name: "check_run", CheckRun: &gh.EventCheckRun{ID: 7, HeadSHA: newHead, Status: "completed"}}, 0, newHead)
	in.receive(t, gh.Event{Name: "status", Status: &gh.EventStatus{ID: 8, SHA: oldHead}}, 0, oldHead)
	k := in.known(t)
	if len(k.Checks) != 1 || k.Checks[5].Status != "completed" {
		t.Errorf("checks: got %+v, want the newest word on check run 5", k.Checks)
	}
	if len(k.Statuses) != 1 {
		t.Errorf("statuses: got %+v", k.Statuses)
	}
	pushes, err := k.pushesOf(t.Context(), in.Tenant(org), store.Job{RepoID: repo}, oldHead)
	if err != nil || len(pushes) != 1 || pushes[0].Pusher.ID != bob.ID {
		t.Errorf("pushes to the branch: got %+v, %v, want bob's", pushes, err)
	}
	if len(k.Pushes) != 1 || k.Pushes[0].Pusher.ID != alice.ID || k.Pushes[0].Seq <= pushes[0].Seq {
		t.Errorf("pushes: got %+v, want the opening, after the push to the branch", k.Pushes)
	}
}

func TestBackoffGrowsAndEnds(t *testing.T) {
	last := time.Duration(0)
	for attempt := range 60 {
		wait := backoff(attempt)
		if wait < last || wait > 5*time.Minute || wait < time.Second {
			t.Fatalf("attempt %d waits %s after %s", attempt, wait, last)
		}
		last = wait
	}
}

// A pull request is in a group with the head that was queued. One that was taken out is in none,
// whatever a queue of before says, until it is put in again. What no delivery tells of is not
// known, but of a group whose commit names it.
func TestQueuedHead(t *testing.T) {
	in := newInbox(t)
	entry := facts.QueueEntry{Number: number, QueuedSHA: newHead, EnqueuedAt: noon}
	want := func(when, head string, err error) {
		t.Helper()
		got, problem := in.known(t).queue.queuedHead(entry)
		if got != head || !errors.Is(problem, err) {
			t.Errorf("%s: got %.7s, %v, want %.7s, %v", when, got, problem, head, err)
		}
	}
	in.receive(t, change("opened", oldHead, noon, alice), number, oldHead)
	want("no delivery told of it", "", nil)
	in.receive(t, change("enqueued", oldHead, noon, alice), number, oldHead)
	in.receive(t, change("synchronize", newHead, noon.Add(time.Second), alice), number, newHead)
	want("pushed to while it was queued", oldHead, nil)
	entry.EnqueuedAt = noon.Add(10 * time.Minute)
	want("put in again, and neither told", "", nil)
	entry.MergedSHA = newHead
	want("the group's commit says which", newHead, nil)
	entry.MergedSHA, entry.EnqueuedAt = "", noon
	in.receive(t, change("dequeued", newHead, noon.Add(2*time.Second), alice), number, newHead)
	want("taken out, and the queue is of before", "", facts.ErrBehind)
	in.receive(t, change("enqueued", oldHead, noon, alice), number, oldHead)
	want("taken out, and the older delivery comes again", "", facts.ErrBehind)
	entry.EnqueuedAt = noon.Add(10 * time.Minute)
	want("put in again, untold", "", nil)
	in.receive(t, change("enqueued", newHead, noon.Add(10*time.Minute), alice), number, newHead)
	entry.EnqueuedAt = noon
	want("put in again", newHead, nil)
}
