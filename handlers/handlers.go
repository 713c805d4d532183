// Package handlers is the door for GitHub: it verifies a delivery, stores it together
// with what it says and with the subjects that it makes worth another look, all in one
// transaction, and only then answers 202. It decides nothing.
package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/tracing"
)

// HookPath is where GitHub sends deliveries.
const HookPath = "/api/github/hook"

// Handlers answers GitHub and the machines that watch over the server.
type Handlers struct {
	Intake *gh.Intake
	Store  *store.Store
	// AppID is our own App: its check runs never make anything worth another look.
	AppID int64
	Log   zerolog.Logger
	// Now is the clock of receipt times.
	Now func() time.Time
	// Person gives the client of a person's own token.
	Person func(token string) (*gh.Client, error)

	// Received is told of every delivery, by its event ("" when it was refused) and what became of
	// it. Nil: nobody is.
	Received func(event, outcome string)
	// GitHubSilent is since when GitHub does not answer; zero: it does. Nil: nobody knows.
	GitHubSilent func() time.Time
	// Tracer makes the spans of deliveries. Its zero value makes none.
	Tracer tracing.Tracer

	turns    chan struct{} // one for each request of a person that is looked at
	attempts attempts
}

// Routes are all routes of this package. Every other path is for people, and goes to their pages.
func (h *Handlers) Routes(pages http.Handler) http.Handler {
	all, mux := http.NewServeMux(), http.NewServeMux()
	h.turns = make(chan struct{}, asksAtOnce)
	mux.HandleFunc(HookPath, h.hook)
	sameOrigin := http.NewCrossOriginProtection()
	mux.Handle("POST "+AttestPath, sameOrigin.Handler(http.HandlerFunc(h.attest)))
	mux.Handle("POST "+ClosePath, sameOrigin.Handler(http.HandlerFunc(h.close)))
	mux.HandleFunc("GET "+LogPath+"{organisation}/checkpoint", h.checkpoint)
	mux.HandleFunc("GET "+LogPath+"{organisation}/keys", h.keys)
	mux.HandleFunc("GET "+LogPath+"{organisation}/tile/{tile...}", h.tile)
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.HandleFunc("GET /readyz", h.readyz)
	door := guarded(mux)
	for _, path := range []string{HookPath, AttestPath, ClosePath, LogPath, "/healthz", "/readyz"} {
		all.Handle(path, door)
	}
	all.Handle("/", pages)
	return all
}

// guarded tells browsers to make nothing of an answer but what it is: no page of anybody's holds
// it, nothing in it runs, and it is reached by TLS from then on where it once was.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// refusals say what a delivery that is not accepted is answered with.
var refusals = []refusal{
	{gh.ErrMethod, http.StatusMethodNotAllowed, "send deliveries with POST"},
	{gh.ErrTooLarge, http.StatusRequestEntityTooLarge, "the payload is larger than GitHub ever sends (25 MiB)"},
	{gh.ErrContentType, http.StatusUnsupportedMediaType, "set the webhook's content type to application/json in the App's settings"},
	{gh.ErrSignature, http.StatusUnauthorized, "the signature does not fit: compare the webhook secret in the App's settings with GITHUB_APP_WEBHOOK_SECRET"},
	{gh.ErrNoDeliveryID, http.StatusBadRequest, "X-GitHub-Delivery is missing or not usable"},
	{gh.ErrNoEvent, http.StatusBadRequest, "X-GitHub-Event is missing or not usable"},
}

func (h *Handlers) hook(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	delivery, err := h.Intake.Read(w, r, h.Now())
	if err != nil {
		h.count("", "refused")
		h.refuse(w, r, err)
		return
	}
	arrival := h.arrival(delivery)
	log := h.Log.With().Str("delivery", delivery.ID).Str("event", delivery.Event).Str("action", arrival.Action).
		Int64("installation", arrival.InstallationID).Int64("repository", arrival.RepoID).Logger()
	if o := arrival.Observation; o != nil {
		log = log.With().Int("pr", o.Number).Str("head", o.HeadSHA).Logger()
	}
	storing := time.Now()
	received, err := h.Store.Receive(r.Context(), arrival)
	span := h.Tracer.Received(r.Context(), tracing.Received{DeliveryID: delivery.ID, First: err == nil && !received.Duplicate, Began: began, Storing: storing, Err: err})
	describe(span, arrival, received, err)
	span.End(err)
	if err != nil {
		h.count(delivery.Event, "not_stored")
		// Nothing is acknowledged that is not durable: GitHub lists this delivery as
		// failed, and it can be delivered again.
		log.Error().Err(err).Msg("delivery not stored")
		http.Error(w, "not stored; nothing is acknowledged. Redeliver it from the App's settings once the server is well", http.StatusInternalServerError)
		return
	}
	h.count(delivery.Event, outcome(received))
	if arrival.Undecodable != "" {
		log.Warn().Str("why", arrival.Undecodable).Msg("delivery stored but not understood")
	} else {
		log.Debug().Int("marked", received.Marked).Bool("duplicate", received.Duplicate).Msg("delivery stored")
	}
	w.WriteHeader(http.StatusAccepted)
}

// refuse answers a delivery that is not accepted. Its id is whatever the sender wrote.
func (h *Handlers) refuse(w http.ResponseWriter, r *http.Request, err error) {
	id := r.Header.Get("X-GitHub-Delivery")
	log := h.Log.With().Str("claimed_delivery", id[:min(len(id), 100)]).Str("from", r.RemoteAddr).Logger()
	for _, refusal := range refusals {
		if errors.Is(err, refusal.err) {
			log.Warn().Err(err).Msg("delivery refused")
			http.Error(w, refusal.text, refusal.status)
			return
		}
	}
	log.Warn().Err(err).Msg("delivery not read")
	http.Error(w, "the delivery could not be read", http.StatusBadRequest)
}

// arrival is a delivery as the store takes it: what it says, and what it makes dirty.
func (h *Handlers) arrival(d gh.Delivery) store.Arrival {
	a := store.Arrival{DeliveryID: d.ID, Event: d.Event, Payload: d.Payload, SecretIndex: d.SecretIndex, ReceivedAt: d.ReceivedAt}
	event, err := gh.Decode(d.Event, d.Payload)
	if errors.Is(err, gh.ErrUnknownEvent) {
		return a // kept as a delivery, so that nobody asks GitHub for it again
	}
	if err != nil {
		a.Undecodable = err.Error()
		return a
	}
	body, err := json.Marshal(event)
	if err != nil {
		a.Undecodable = err.Error()
		return a
	}
	a.Action, a.InstallationID, a.OrgID, a.OrgLogin = event.Action, event.InstallationID, event.Organization.ID, event.Organization.Login
	if event.Repository != nil {
		a.RepoID = event.Repository.ID
	}
	a.Observation = &store.Observation{
		DeliveryID: d.ID, Event: event.Name, Action: event.Action, ReceivedAt: d.ReceivedAt,
		OrgID: a.OrgID, RepoID: a.RepoID, Number: numberOf(event), HeadSHA: headOf(event), Body: body,
	}
	a.Uninstalled = event.Name == "installation" && event.Action == "deleted"
	h.mark(&a, event)
	return a
}
