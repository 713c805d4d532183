package handlers

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// ClosePath is where somebody closes an exception with their own token.
const ClosePath = "/api/exceptions/close"

// CloseRequest asks the server to close an exception as settled by the owner of the token.
type CloseRequest struct {
	Repository  string `json:"repository"` // owner/name
	Exception   string `json:"exception"`  // its id
	Remediation string `json:"remediation"`
}

// CloseAnswer is the exception as it is now.
type CloseAnswer struct {
	Exception store.Exception `json:"exception"`
}

// closeRefusals say what a closing that is not taken is answered with.
var closeRefusals = append([]refusal{
	{gh.ErrForbidden, http.StatusForbidden, "the token may not read this repository: use a classic one with the scope repo, or a fine-grained one with Metadata: read"},
	{gh.ErrNotAPerson, http.StatusForbidden, "only a person closes an exception"},
	{store.ErrNotFound, http.StatusNotFound, "there is no such exception in this repository"},
}, personRefusals...)

// close asks GitHub with the person's own token who they are and what they may do in the
// repository: nothing that the sender says of that is believed. The token is kept nowhere.
func (h *Handlers) close(w http.ResponseWriter, r *http.Request) {
	var ask CloseRequest
	token, ok := readAsked(w, r, &ask, `{"repository": "owner/name", "exception": "its id", "remediation": "what was done"}`)
	if !ok {
		return
	}
	if !isRepository(ask.Repository) || ask.Exception == "" || strings.TrimSpace(ask.Remediation) == "" {
		http.Error(w, "the repository is not owner/name, or the exception's id or what was done is missing", http.StatusBadRequest)
		return
	}
	client, done, ok := h.admit(w, token)
	if !ok {
		return
	}
	defer done()
	owner, name, _ := strings.Cut(ask.Repository, "/")
	view, err := client.PersonView(r.Context(), gh.Repo{Owner: owner, Name: name})
	var e store.Exception
	var refused string
	if err == nil {
		e, refused, err = h.closeAs(r, view, ask)
	}
	if err != nil {
		h.Log.Warn().Err(err).Str("repository", ask.Repository[:min(len(ask.Repository), 200)]).Msg("an exception was not closed")
		refuse(w, err, closeRefusals)
		return
	}
	if refused != "" {
		http.Error(w, "the exception stays open: "+refused, http.StatusUnprocessableEntity)
		return
	}
	h.Log.Info().Int64("org", view.Organization.ID).Str("exception", e.ID).Str("by", view.Person.Login).Msg("an exception was closed")
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(CloseAnswer{e}); err != nil {
		h.Log.Warn().Err(err).Msg("the answer to a closing was not taken; it is recorded all the same")
	}
}

// closeAs closes an exception of the repository that the person sees, and of no other. One of the
// organisation is closed through the repository that holds the organisation's policy.
func (h *Handlers) closeAs(r *http.Request, view gh.PersonView, ask CloseRequest) (e store.Exception, refused string, err error) {
	tenant := h.Store.Tenant(view.Organization.ID)
	found, err := tenant.Exception(r.Context(), ask.Exception)
	_, name, _ := strings.Cut(view.Repository, "/")
	organisations := found.RepoID == 0 && strings.EqualFold(name, policyHolder)
	if err == nil && found.RepoID != view.RepositoryID && !organisations {
		err = store.ErrNotFound
	}
	if err != nil {
		return e, "", err
	}
	refused, err = tenant.CloseException(r.Context(), ask.Exception, store.Closing{
		By: view.Person.Login, ByID: view.Person.ID, IsPerson: true, CanWrite: view.CanWrite, Remediation: ask.Remediation,
	}, func(closed *store.Exception) { e = *closed })
	return e, refused, err
}
