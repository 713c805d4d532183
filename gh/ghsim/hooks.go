package ghsim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// event is something that webhooks tell.
type event struct {
	name, action string
	repo         *repo    // nil for events of an installation or an organisation
	target       *account // the account that the event is about, when there is no repository
	sender       *account
	only         *app       // nil: every App that listens
	body         func() obj // what the payload has besides action, repository, organization, sender, installation
}

// eventPermission is what an App must have been granted to be told; "" for events that
// come to every App.
var eventPermission = map[string]string{
	"pull_request": "pull_requests", "pull_request_review": "pull_requests",
	"check_run": "checks", "check_suite": "checks", "status": "statuses", "workflow_run": "actions",
	"push": "contents", "create": "contents", "delete": "contents", "merge_group": "merge_queues",
	"issue_comment": "issues", "issues": "issues", "branch_protection_rule": "administration",
	"repository_ruleset": "administration", "repository": "metadata", "member": "members", "organization": "members",
}

// unlisted are the events that come without being subscribed to.
var unlisted = []string{"installation", "installation_repositories", "installation_target", "github_app_authorization"}

// delivery is one attempt to deliver an event to one App. The fields of the answer are
// set, with Sim.mu held, when the attempt has ended.
type delivery struct {
	id             int64
	guid           string // shared by all attempts
	event, action  string
	installationID int64
	repoID         int64
	payload        []byte
	requestHeader  http.Header
	redelivery     bool
	done           bool
	deliveredAt    time.Time
	duration       time.Duration
	status         string // "OK", "failed to connect", "Invalid HTTP Response: 500", …
	statusCode     int    // 0: no answer
	responseHeader http.Header
	response       string
}

// emit tells every App that is installed, subscribed and allowed.
func (s *Sim) emit(e event) {
	for _, i := range s.listeners(e) {
		payload := obj{"installation": obj{"id": i.id, "node_id": nodeID("Installation", i.id)}, "sender": s.renderUser(e.sender)}
		if e.action != "" {
			payload["action"] = e.action
		}
		if e.repo != nil {
			payload["repository"] = s.renderRepo(e.repo)
			if o := s.orgs[e.repo.owner.id]; o != nil {
				payload["organization"] = s.renderOrg(o)
			}
		}
		for k, v := range e.body() {
			payload[k] = v
		}
		s.deliver(i, e, payload)
	}
}

// listeners are the installations whose App wants the event, in the order of their ids.
func (s *Sim) listeners(e event) []*installation {
	var list []*installation
	for _, i := range s.installs {
		if i.app.hookURL == "" || (e.only != nil && i.app != e.only) {
			continue
		}
		if e.repo != nil && !i.covers(e.repo) || e.repo == nil && i.target != e.target {
			continue
		}
		need := eventPermission[e.name]
		if slices.Contains(unlisted, e.name) || (slices.Contains(i.events, e.name) && (need == "" || rank[i.permissions[need]] >= rank["read"])) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *installation) int { return int(a.id - b.id) })
	return list
}

// installsOn lists the active installations that cover the repository, by id.
func (s *Sim) installsOn(r *repo) []*installation {
	var list []*installation
	for _, i := range s.installs {
		if i.covers(r) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *installation) int { return int(a.id - b.id) })
	return list
}

// deliver records an attempt and hands it to the App's sender.
func (s *Sim) deliver(i *installation, e event, payload obj) {
	body, err := json.Marshal(payload)
	if err != nil {
		panic(fmt.Sprintf("ghsim: payload of %s: %v", e.name, err)) // a bug: payloads are made here
	}
	d := &delivery{id: s.nextID(), guid: s.guid(), event: e.name, action: e.action, installationID: i.id, payload: body}
	if e.repo != nil {
		d.repoID = e.repo.id
	}
	s.send(i.app, d)
}

func (s *Sim) send(a *app, d *delivery) {
	d.requestHeader = hookHeader(a, d)
	a.deliveries = append(a.deliveries, d)
	s.tellSent(d)
	s.senderOf(a).push(a.hookURL, d)
}

// guid makes an X-GitHub-Delivery.
func (s *Sim) guid() string {
	b := make([]byte, 16)
	s.random.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// hookHeader is what GitHub sends with a delivery.
func hookHeader(a *app, d *delivery) http.Header {
	sign := func(h func() hash.Hash) string {
		m := hmac.New(h, []byte(a.hookSecret))
		m.Write(d.payload)
		return hex.EncodeToString(m.Sum(nil))
	}
	h := http.Header{}
	h.Set("Accept", "*/*")
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", "GitHub-Hookshot/0000000")
	h.Set("X-GitHub-Delivery", d.guid)
	h.Set("X-GitHub-Event", d.event)
	h.Set("X-GitHub-Hook-ID", decimal(a.id+1))
	h.Set("X-GitHub-Hook-Installation-Target-ID", decimal(a.id))
	h.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	if a.hookSecret != "" {
		h.Set("X-Hub-Signature", "sha1="+sign(sha1.New))
		h.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New))
	}
	return h
}

// redeliver sends a recorded delivery again: same guid and payload, signed with the
// secret of today.
func (s *Sim) redeliver(a *app, old *delivery) {
	d := &delivery{id: s.nextID(), guid: old.guid, event: old.event, action: old.action,
		installationID: old.installationID, repoID: old.repoID, payload: old.payload, redelivery: true}
	s.send(a, d)
}

// sender sends the deliveries of one App, one after the other.
type sender struct {
	client *http.Client
	clock  func() time.Time
	ended  func(*delivery, outcome) // records the result in the world

	mu       sync.Mutex
	queue    []queued
	busy     bool
	stopped  bool
	wake     chan struct{} // has room for one
	idle     chan struct{} // closed while nothing is queued or under way
	held     []queued
	holding  bool
	delay    time.Duration
	drop     func(event, action string) bool
	dropNext int
	twice    int
}

// queued is a delivery that waits to be sent.
type queued struct {
	url string
	d   *delivery
}

// outcome is how an attempt went.
type outcome struct {
	at       time.Time
	took     time.Duration
	code     int
	status   string
	header   http.Header
	response string
}

// senderOf returns the App's sender and starts it at first use.
func (s *Sim) senderOf(a *app) *sender {
	if q := s.senders[a.id]; q != nil {
		return q
	}
	q := &sender{client: &http.Client{Timeout: 10 * time.Second}, clock: s.options.Clock, wake: make(chan struct{}, 1), idle: closed()}
	q.ended = func(d *delivery, o outcome) {
		s.mu.Lock()
		defer s.mu.Unlock()
		d.done, d.deliveredAt, d.duration = true, o.at.UTC(), o.took
		d.statusCode, d.status, d.responseHeader, d.response = o.code, o.status, o.header, o.response
	}
	s.senders[a.id] = q
	go q.loop()
	return q
}

func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// push queues a delivery, or holds it back, or loses it, as the controls say.
func (q *sender) push(url string, d *delivery) {
	q.mu.Lock()
	defer q.mu.Unlock()
	item := queued{url, d}
	if q.dropNext > 0 || (q.drop != nil && q.drop(d.event, d.action)) {
		q.dropNext = max(0, q.dropNext-1)
		item.url = "" // recorded as a failed connection
	}
	copies := 1
	if q.twice > 0 {
		q.twice--
		copies = 2
	}
	for range copies {
		if q.holding {
			q.held = append(q.held, item)
		} else {
			q.enqueue(item)
		}
	}
}

// enqueue needs q.mu.
func (q *sender) enqueue(item queued) {
	if q.stopped {
		return
	}
	if len(q.queue) == 0 && !q.busy {
		q.idle = make(chan struct{})
	}
	q.queue = append(q.queue, item)
	select {
	case q.wake <- struct{}{}:
	default: // already poked
	}
}

func (q *sender) loop() {
	for range q.wake {
		for {
			item, delay, ok := q.next()
			if !ok {
				break
			}
			if delay > 0 {
				time.Sleep(delay)
			}
			q.ended(item.d, q.attempt(item))
		}
	}
}

// next takes the first of the queue; when there is none the sender becomes idle.
func (q *sender) next() (item queued, delay time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 || q.stopped {
		if q.busy {
			q.busy = false
			close(q.idle)
		}
		return queued{}, 0, false
	}
	q.busy = true
	item, q.queue = q.queue[0], q.queue[1:]
	return item, q.delay, true
}

// attempt posts one delivery. As with GitHub, an answer that takes ten seconds is none.
func (q *sender) attempt(item queued) outcome {
	began := time.Now()
	o := outcome{at: q.clock(), status: "failed to connect"}
	if item.url == "" {
		return o
	}
	req, err := http.NewRequest(http.MethodPost, item.url, bytes.NewReader(item.d.payload))
	if err != nil {
		return o
	}
	req.Header = item.d.requestHeader.Clone()
	res, err := q.client.Do(req)
	o.took = time.Since(began)
	if err != nil {
		return o
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // only shown to people
	o.code, o.header, o.response = res.StatusCode, res.Header, string(body)
	o.status = "OK"
	if res.StatusCode >= 300 {
		o.status = fmt.Sprintf("Invalid HTTP Response: %d", res.StatusCode)
	}
	return o
}

// stop ends the sender; what is queued is lost.
func (q *sender) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.stopped {
		q.stopped = true
		close(q.wake)
		q.queue = nil
	}
}

// Drain waits until every delivery that is not held back was sent and answered, those
// that the answers caused included. It returns the context's error if that takes too long.
func (s *Sim) Drain(ctx context.Context) error {
	for {
		waited := false
		for _, q := range s.allSenders() {
			q.mu.Lock()
			idle := q.idle
			q.mu.Unlock()
			select {
			case <-idle:
				continue
			default:
			}
			waited = true
			select {
			case <-idle:
			case <-ctx.Done():
				return fmt.Errorf("ghsim: deliveries are not drained: %w", ctx.Err())
			}
		}
		if !waited {
			return nil
		}
	}
}

func (s *Sim) allSenders() []*sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*sender
	for _, q := range s.senders {
		list = append(list, q)
	}
	return list
}
