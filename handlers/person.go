package handlers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

const (
	maxAskedBytes = 4 << 10
	// asksAtOnce bounds how many are looked at together: each asks GitHub several things.
	asksAtOnce = 2
	// asksInAMinute bounds how often anybody who reaches the server can have it ask GitHub
	// who a token is of. GitHub turns away those who ask too often with tokens that are none.
	asksInAMinute = 30
)

// readAsked reads what somebody asks for and with which token, or answers what is wrong with it.
// shape is what is to be sent.
func readAsked(w http.ResponseWriter, r *http.Request, ask any, shape string) (token string, ok bool) {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAskedBytes))
	body.DisallowUnknownFields()
	err := body.Decode(ask)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		http.Error(w, fmt.Sprintf("the request has more than %d bytes", large.Limit), http.StatusRequestEntityTooLarge)
		return "", false
	}
	if err != nil || body.Decode(&struct{}{}) != io.EOF {
		http.Error(w, "send "+shape, http.StatusBadRequest)
		return "", false
	}
	if token, ok = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok {
		http.Error(w, "your own token is missing (Authorization: Bearer …)", http.StatusBadRequest)
	}
	return token, ok
}

func isRepository(name string) bool {
	owner, repo, ok := strings.Cut(name, "/")
	return ok && owner != "" && repo != "" && !strings.Contains(repo, "/")
}

// admit gives the client of somebody's own token and their turn, which done ends, or answers that
// they have to wait. It is called once the request is read: who sends it slowly keeps nobody else
// waiting.
func (h *Handlers) admit(w http.ResponseWriter, token string) (client *gh.Client, done func(), ok bool) {
	select {
	case h.turns <- struct{}{}:
		done = func() { <-h.turns }
	default:
		http.Error(w, "somebody else asks right now: try again in a minute", http.StatusTooManyRequests)
		return nil, nil, false
	}
	if h.attempts.tooMany(h.Now()) {
		done()
		http.Error(w, "there were too many attempts in the last minute: try again in a minute", http.StatusTooManyRequests)
		return nil, nil, false
	}
	client, err := h.Person(token)
	if err != nil {
		done()
		http.Error(w, "the token is none of GitHub's", http.StatusUnauthorized)
		return nil, nil, false
	}
	return client, done, true
}

// attempts counts those of the last minute.
type attempts struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

// tooMany counts an attempt and reports whether it is one too many.
func (a *attempts) tooMany(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.since) >= time.Minute {
		a.since, a.n = now, 0
	}
	a.n++
	return a.n > asksInAMinute
}

// refusal is what an error is answered with.
type refusal struct {
	err    error
	status int
	text   string
}

// personRefusals are those of every request with somebody's own token.
var personRefusals = []refusal{
	{gh.ErrUnauthorized, http.StatusUnauthorized, "GitHub does not accept the token: it may be wrong, expired, or not approved for the organisation's single sign-on"},
	{gh.ErrNotFound, http.StatusNotFound, "GitHub does not show this repository or branch to the token"},
	{store.ErrNotFound, http.StatusNotFound, "Countersign has never heard of this organisation: install the App on it first"},
}

func refuse(w http.ResponseWriter, err error, refusals []refusal) {
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			text := r.text
			if errors.Is(err, gh.ErrNotOwner) {
				text += ": " + err.Error()
			}
			http.Error(w, text, r.status)
			return
		}
	}
	http.Error(w, "GitHub did not answer, or it could not be recorded: try again; the server's log says more", http.StatusBadGateway)
}
