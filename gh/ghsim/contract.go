package ghsim

import (
	"bytes"
	"net/http"
	"slices"
)

// Exchange is one request to the REST API and its answer, as they were on the wire.
// Answers that a fault spoiled are not told of.
type Exchange struct {
	Request     *http.Request // its body has been read: see RequestBody
	RequestBody []byte
	Status      int
	Header      http.Header
	Body        []byte
}

// Sent is one webhook as it was handed to an App's sender.
type Sent struct {
	Event   string
	Header  http.Header
	Payload []byte
}

// observer is somebody who is told of what passes.
type observer struct {
	exchange func(Exchange)
	sent     func(Sent)
}

// Observe tells of every exchange and every webhook from now on: the contract tests hold
// them to GitHub's own description. The functions are called from several goroutines,
// sent with the world locked: it must not call the simulator. stop ends it.
func (s *Sim) Observe(exchange func(Exchange), sent func(Sent)) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := &observer{exchange, sent}
	s.observers = append(s.observers, o)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observers = slices.DeleteFunc(slices.Clone(s.observers), func(x *observer) bool { return x == o })
	}
}

// watched gives the observers, who keep the answer in x when there are any.
func (s *Sim) watched(x *exchange) []*observer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.observers) > 0 {
		x.w.answered = &bytes.Buffer{}
	}
	return slices.Clone(s.observers)
}

// tell tells the observers of an exchange that is over.
func (x *exchange) tell(observers []*observer) {
	spoiled := x.fault.failure != nil || x.fault.malformed || x.fault.cutBody
	if len(observers) == 0 || spoiled || x.entry.Route == graphqlRoute || x.entry.Route == tokenRoute || x.w.status == 0 {
		return
	}
	e := Exchange{Request: x.r, RequestBody: x.body, Status: x.w.status, Header: x.w.Header(), Body: x.w.answered.Bytes()}
	for _, o := range observers {
		o.exchange(e)
	}
}

// tellSent tells the observers of a webhook.
func (s *Sim) tellSent(d *delivery) {
	for _, o := range s.observers {
		o.sent(Sent{Event: d.event, Header: d.requestHeader, Payload: d.payload})
	}
}

// Routes names every REST operation that is simulated, sorted, as Request.Route does.
func (s *Sim) Routes() []string {
	var names []string
	for _, r := range s.routes.routes {
		names = append(names, r.name())
	}
	slices.Sort(names)
	return names
}
