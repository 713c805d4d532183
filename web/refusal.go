package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/countersign/countersign/store"
)

// Errors of what is passed in as GitHub, and of forms.
var (
	// ErrSignedOut: GitHub does not accept what the session has any more.
	ErrSignedOut = errors.New("signed out at GitHub")
	// ErrSilent: GitHub did not answer, so what somebody may see is not known.
	ErrSilent = errors.New("GitHub does not say what may be seen")
)

// refusal is a form or an address that asks for something that is not done. Its text is for who asked.
type refusal string

func (r refusal) Error() string { return string(r) }

// refusedPage says what was not done, and what to do.
type refusedPage struct{ What, Do string }

// refuse answers with an error. What is not listed is an internal error: the log has it.
func (s *Site) refuse(w http.ResponseWriter, r *http.Request, f frame, err error) {
	var text refusal
	switch {
	case errors.Is(err, context.Canceled):
		return
	case errors.As(err, &text):
		s.refused(w, http.StatusBadRequest, f, "That cannot be done", refusedPage{string(text), "Go back, change it and try again."})
	case errors.Is(err, store.ErrDisposed):
		s.refused(w, http.StatusGone, f, "Disposed of", refusedPage{"What was here was disposed of, by the organisation's rules for retention.", "Its leaf in the log and the certificate of the disposal stay."})
	case errors.Is(err, store.ErrNotFound):
		s.refused(w, http.StatusNotFound, f, "Not found", refusedPage{"There is nothing here, or nothing that you may see.",
			"You see the repositories that GitHub lets you read, in organisations that have the App. If you were given access a moment ago, sign out and in again."})
	case errors.Is(err, ErrSilent):
		s.Log.Warn().Err(err).Msg("GitHub does not say what somebody may see")
		s.refused(w, http.StatusServiceUnavailable, f, "GitHub does not answer", refusedPage{"GitHub did not say what you may see, so nothing is shown.", "Try again in a minute. githubstatus.com tells whether GitHub has a problem."})
	default:
		s.Log.Error().Err(err).Str("path", r.URL.Path).Msg("a page failed")
		s.refused(w, http.StatusInternalServerError, f, "That did not work", refusedPage{"Something on this server failed.", "Try again. If it stays, whoever runs the server finds the cause in its log."})
	}
}

func (s *Site) refused(w http.ResponseWriter, status int, f frame, title string, p refusedPage) {
	f.Title = title
	s.render(w, status, "refused.html", f, p)
}

func (s *Site) nowhere(w http.ResponseWriter, r *http.Request) {
	session, err := s.session(r)
	f := frame{Path: "/"}
	if err == nil {
		f.Person = session.Login
	}
	s.refuse(w, r, f, store.ErrNotFound)
}
