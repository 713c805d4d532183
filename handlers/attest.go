package handlers

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// AttestPath is where an owner attests bypass lists that the App cannot read.
const AttestPath = "/api/attestations"

// AttestRequest asks the server to read, with the sender's own token (Authorization: Bearer),
// who may bypass the rulesets of a branch, and to record it.
type AttestRequest struct {
	Repository string `json:"repository"`       // owner/name
	Branch     string `json:"branch,omitempty"` // empty: the default branch
}

// AttestAnswer is what was recorded.
type AttestAnswer struct {
	Owner    string              `json:"owner"` // login of who attested
	Attested []store.Attestation `json:"attested"`
	// NotShown are the names of the rulesets whose lists GitHub does not show to the owner, such as
	// those of the enterprise. Nothing was recorded of them.
	NotShown []string `json:"not_shown,omitempty"`
	// Until is until when it stands, if none of the rulesets is changed before.
	Until time.Time `json:"until"`
}

// settled is how long before it was read a ruleset must have been changed, both by GitHub's clock.
// Its times have whole seconds: a change in the second in which it was read could not be told from none.
const settled = 10 * time.Second

// attestationLasts is how long the policy takes an attestation for.
const attestationLasts = 30 * 24 * time.Hour

// attest reads GitHub itself with the owner's token: nothing that the sender says of the lists
// is believed. The token is used for these reads and kept nowhere.
func (h *Handlers) attest(w http.ResponseWriter, r *http.Request) {
	ask, token, ok := readAttest(w, r)
	if !ok {
		return
	}
	client, done, ok := h.admit(w, token)
	if !ok {
		return
	}
	defer done()
	owner, name, _ := strings.Cut(ask.Repository, "/")
	view, err := client.OwnerView(r.Context(), gh.Repo{Owner: owner, Name: name}, ask.Branch)
	if err != nil {
		h.refuseAttest(w, ask, err)
		return
	}
	list, notShown, problem := attestations(view)
	if problem != "" {
		http.Error(w, problem, http.StatusUnprocessableEntity)
		return
	}
	recorded, err := h.Store.Tenant(view.Organization.ID).Attest(r.Context(), list)
	if err != nil {
		h.refuseAttest(w, ask, err)
		return
	}
	h.Log.Info().Int64("org", view.Organization.ID).Str("repository", view.Repository).Str("owner", view.Owner.Login).Int("rulesets", len(recorded)).Msg("bypass lists attested")
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(AttestAnswer{Owner: view.Owner.Login, Attested: recorded, NotShown: notShown, Until: recorded[0].At.Add(attestationLasts)}); err != nil {
		h.Log.Warn().Err(err).Msg("the answer to an attestation was not taken; it is recorded all the same")
	}
}

// readAttest reads what is asked for and with which token, or answers what is wrong with it.
func readAttest(w http.ResponseWriter, r *http.Request) (ask AttestRequest, token string, ok bool) {
	if token, ok = readAsked(w, r, &ask, `{"repository": "owner/name", "branch": "main"}`); ok && !isRepository(ask.Repository) {
		http.Error(w, "the repository is not owner/name", http.StatusBadRequest)
		ok = false
	}
	return ask, token, ok
}

// attestations are what is recorded of an owner's view, with the rulesets of which nothing can
// be, or why nothing is recorded at all. One ruleset without a hole is enough for the policy, so
// one that only the owners of the enterprise may see does not keep the others from being attested.
func attestations(view gh.OwnerView) (list []store.Attestation, notShown []string, problem string) {
	if len(view.Rulesets) == 0 {
		return nil, nil, "no ruleset applies to this branch: classic branch protection can be read by the App and needs no attestation"
	}
	for _, r := range view.Rulesets {
		if !r.BypassReadable || r.UpdatedAt.IsZero() {
			notShown = append(notShown, r.Name)
			continue
		}
		if r.ReadAt.IsZero() {
			return nil, nil, "GitHub's answer about the ruleset " + r.Name + " does not tell the time, so it is not known whether it was changed a moment ago: have what stands between the server and GitHub leave the header Date in it"
		}
		if r.ReadAt.Sub(r.UpdatedAt) < settled {
			return nil, nil, "the ruleset " + r.Name + " was changed a moment ago: try again in a minute"
		}
		a := store.Attestation{
			RulesetID: r.ID, Ruleset: r.Name, Source: r.SourceType + " " + r.Source, UpdatedAt: r.UpdatedAt, Actors: []store.AttestedActor{},
			ByID: view.Owner.ID, ByLogin: view.Owner.Login, Repository: view.Repository, RepositoryID: view.RepositoryID,
		}
		for _, actor := range r.BypassActors {
			a.Actors = append(a.Actors, store.AttestedActor{Type: actor.Type, ID: actor.ID, Mode: actor.Mode})
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return nil, nil, "GitHub does not show who may bypass the ruleset " + strings.Join(notShown, ", ") + " with this token: use one that may edit it (a classic token with the scopes repo and admin:org, or a fine-grained one with Administration: write and Members: read; a ruleset of the enterprise is shown to its owners only)"
	}
	return list, notShown, ""
}

// attestRefusals say what an attestation that is not taken is answered with.
var attestRefusals = append([]refusal{
	{gh.ErrNotOwner, http.StatusForbidden, "only an owner of the organisation can attest"},
	{gh.ErrForbidden, http.StatusForbidden, "the token may not read this: use a classic one with the scopes repo and admin:org, or a fine-grained one with Administration: write and Members: read"},
}, personRefusals...)

func (h *Handlers) refuseAttest(w http.ResponseWriter, ask AttestRequest, err error) {
	h.Log.Warn().Err(err).Str("repository", ask.Repository[:min(len(ask.Repository), 200)]).Msg("attestation refused")
	refuse(w, err, attestRefusals)
}
