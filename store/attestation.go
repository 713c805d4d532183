package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// LeafAttestation is the kind of the leaves that hold attestations.
const LeafAttestation = "attestation"

// Attestation is what an owner of the organisation showed of a ruleset's bypass list, which
// GitHub does not show to the App. It is the body of its leaf.
//
// Field names and order are part of the evidence format; add, never change.
type Attestation struct {
	V         int    `json:"v"`
	RulesetID int64  `json:"ruleset_id"`
	Ruleset   string `json:"ruleset"` // name
	Source    string `json:"source"`  // "Repository acme/shop", "Organization acme", …
	// UpdatedAt is GitHub's own time of the ruleset's last change.
	UpdatedAt time.Time       `json:"updated_at"`
	Actors    []AttestedActor `json:"actors"` // empty: nobody may bypass it
	ByID      int64           `json:"by_id"`
	ByLogin   string          `json:"by_login"`
	At        time.Time       `json:"at"` // UTC, to the microsecond
	// Repository and RepositoryID say through which repository it was read.
	Repository   string `json:"repository"` // owner/name
	RepositoryID int64  `json:"repository_id"`
}

// AttestedActor is an entry of a bypass list.
type AttestedActor struct {
	Type string `json:"type"`
	ID   int64  `json:"id"`
	Mode string `json:"mode"`
}

const attestationVersion = 1

// Attested is an attestation as it is now.
type Attested struct {
	Attestation
	LeafIndex int64
	// VoidAt is when a delivery said that the ruleset was changed; zero: none did.
	VoidAt time.Time
}

const (
	selectKnownOrg    = `SELECT COUNT(*) FROM orgs WHERE org_id = $1`
	upsertAttestation = `INSERT INTO attestations (org_id, ruleset_id, leaf_index, attested_at, updated_at, void_at, body) VALUES ($1, $2, $3, $4, $5, 0, $6)
ON CONFLICT (org_id, ruleset_id) DO UPDATE SET leaf_index = excluded.leaf_index, attested_at = excluded.attested_at, updated_at = excluded.updated_at, void_at = 0, body = excluded.body`
)

// Attest records attestations, each with its leaf, and marks the open changes that they are
// about. At and V are set. ErrNotFound for an organisation that no event
// was ever received of.
func (n Tenant) Attest(ctx context.Context, list []Attestation) ([]Attestation, error) {
	out := make([]Attestation, len(list))
	err := n.s.write(ctx, "attest", func(t *txn) error {
		var known int
		if err := t.row(selectKnownOrg, []any{n.org}, &known); err != nil {
			return err
		}
		if known == 0 {
			return ErrNotFound
		}
		at := n.s.moment()
		for i, a := range list {
			if a.RulesetID <= 0 || a.ByID <= 0 || a.UpdatedAt.IsZero() {
				return fmt.Errorf("%w: attestation of ruleset %d by %d", ErrInvalid, a.RulesetID, a.ByID)
			}
			a.V, a.At = attestationVersion, at
			body, err := json.Marshal(a)
			if err != nil {
				return err
			}
			leaf, err := n.appendRecord(t, LeafAttestation, at, body)
			if err != nil {
				return err
			}
			if _, err := t.exec(upsertAttestation, n.org, a.RulesetID, leaf, micros(at), micros(a.UpdatedAt), body); err != nil {
				return err
			}
			out[i] = a
		}
		return n.markAttested(t, list)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// markAttested marks the open changes of the repository that attestations were read through, and
// of the whole organisation when a ruleset among them is not the repository's own: it may protect
// branches of all the others.
func (n Tenant) markAttested(t *txn, list []Attestation) error {
	if len(list) == 0 {
		return nil
	}
	repo := list[0].RepositoryID
	for _, a := range list {
		if !strings.HasPrefix(a.Source, "Repository ") {
			repo = 0
		}
	}
	marks, err := changesOf(t, n.org, repo)
	for _, m := range marks {
		if err == nil {
			_, err = n.s.mark(t, m.job(), true, false)
		}
	}
	return err
}

const selectAttestation = `SELECT leaf_index, void_at, body FROM attestations WHERE org_id = $1 AND ruleset_id = $2`

// Attested returns the newest attestation of a ruleset; ErrNotFound if there is none.
func (n Tenant) Attested(ctx context.Context, rulesetID int64) (Attested, error) {
	var a Attested
	var void int64
	var body []byte
	err := n.s.one(ctx, selectAttestation, []any{n.org, rulesetID}, &a.LeafIndex, &void, &body)
	if err == nil {
		err = json.Unmarshal(body, &a.Attestation)
	}
	if err != nil {
		return Attested{}, fmt.Errorf("store: attestation of ruleset %d: %w", rulesetID, err)
	}
	a.VoidAt = fromMicros(void)
	return a, nil
}

// RulesetChange is a ruleset that an event says was changed or deleted.
type RulesetChange struct {
	ID int64
	// UpdatedAt is GitHub's time of the change: what was attested from then on stays. Zero: not
	// known, and nothing stays.
	UpdatedAt time.Time
}

const voidAttestation = `UPDATE attestations SET void_at = $3
WHERE org_id = $1 AND ruleset_id = $2 AND void_at = 0 AND (updated_at < $4 OR $4 = 0)`

// void ends the attestations of rulesets that an arrival says were changed.
func (a Arrival) void(t *txn) error {
	for _, r := range a.ChangedRulesets {
		if _, err := t.exec(voidAttestation, a.OrgID, r.ID, micros(a.ReceivedAt), micros(r.UpdatedAt)); err != nil {
			return err
		}
	}
	return nil
}

// AttestedBypass is what an owner attested of a ruleset's bypass list, as rules take it; nil when
// nobody did.
func (n Tenant) AttestedBypass(ctx context.Context, rulesetID int64) (*policy.AttestedBypass, error) {
	a, err := n.Attested(ctx, rulesetID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &policy.AttestedBypass{
		By: policy.Actor{ID: a.ByID, Login: a.ByLogin, Type: policy.TypeUser}, At: a.At, UpdatedAt: a.UpdatedAt,
		Actors: []policy.BypassActor{}, VoidAt: a.VoidAt, LeafIndex: a.LeafIndex,
	}
	for _, actor := range a.Actors {
		out.Actors = append(out.Actors, policy.BypassActor{Type: actor.Type, ID: actor.ID, Mode: actor.Mode})
	}
	return out, nil
}
