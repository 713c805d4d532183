package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/countersign/countersign/store"
)

// queuePatience is how long a job that is due may wait before the queue is called slow.
const queuePatience = 5 * time.Minute

// part is how one part of the server is.
type part struct {
	OK bool `json:"ok"`
	// Reason says what is wrong; empty: nothing.
	Reason string `json:"reason,omitempty"`
}

// readiness is the answer of /readyz.
type readiness struct {
	// Ready says whether deliveries are taken. That needs the database and nothing else.
	Ready    bool `json:"ready"`
	Database part `json:"database"`
	Queue    part `json:"queue"`
	GitHub   part `json:"github"`
}

// healthz answers while the process runs.
func (h *Handlers) healthz(w http.ResponseWriter, _ *http.Request) {
	h.answer(w, http.StatusOK, map[string]bool{"alive": true})
}

// readyz is 200 while deliveries can be taken. A slow queue or a GitHub that does not answer is
// shown and changes nothing: whoever takes the server out of service then loses deliveries as well.
func (h *Handlers) readyz(w http.ResponseWriter, r *http.Request) {
	state := readiness{Ready: true, Database: part{OK: true}, Queue: part{OK: true}, GitHub: part{OK: true}}
	if err := h.Store.Ready(r.Context()); err != nil {
		h.Log.Error().Err(err).Msg("not ready")
		state.Ready, state.Database = false, part{Reason: "the database does not answer"}
		state.Queue = part{Reason: "not known while the database does not answer"}
	} else {
		state.Queue = h.queueState(r)
	}
	if h.GitHubSilent != nil {
		if since := h.GitHubSilent(); !since.IsZero() {
			state.GitHub = part{Reason: "GitHub does not answer since " + since.UTC().Format(time.RFC3339)}
		}
	}
	status := http.StatusOK
	if !state.Ready {
		status = http.StatusServiceUnavailable
	}
	h.answer(w, status, state)
}

func (h *Handlers) queueState(r *http.Request) part {
	stats, err := h.Store.QueueStats(r.Context())
	if err != nil {
		h.Log.Error().Err(err).Msg("the queue cannot be read")
		return part{Reason: "the queue cannot be read"}
	}
	if stats.OldestReady.IsZero() || h.Now().Sub(stats.OldestReady) <= queuePatience {
		return part{OK: true}
	}
	return part{Reason: fmt.Sprintf("%d jobs are due, the oldest since %s", stats.Ready, stats.OldestReady.Format(time.RFC3339))}
}

func (h *Handlers) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		h.Log.Debug().Err(err).Msg("an answer was not taken")
	}
}

func (h *Handlers) count(event, outcome string) {
	if h.Received != nil {
		h.Received(event, outcome)
	}
}

// outcome names what became of a delivery.
func outcome(r store.Received) string {
	switch {
	case r.Undecodable != "":
		return "undecodable"
	case r.Duplicate:
		return "duplicate"
	}
	return "stored"
}
