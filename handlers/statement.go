package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// Statement is who says something on the page of a pull request, in a session of their own, and
// about which commit.
type Statement struct {
	RepoID int64
	Number int
	// HeadSHA and BaseRef are what the page showed.
	HeadSHA, BaseRef string
	// Once is of the form that was sent: the same sent again says nothing more.
	Once string
	// ByID is GitHub's id of the account that signed in, and By its login.
	ByID int64
	By   string
}

// Declare keeps the declaration of an emergency. Whether it counts is the policy's to say. refused
// says, in a sentence, why nothing was kept; empty: it was.
func Declare(ctx context.Context, st *store.Store, tenant store.Tenant, s Statement, ticket, reason string, at time.Time) (refused string, err error) {
	now, refused, err := s.about(ctx, tenant)
	switch {
	case err != nil || refused != "":
		return refused, err
	case !now.Open:
		return "The pull request is not open.", nil
	}
	return "", s.keep(ctx, st, tenant, now, at, gh.Event{
		Name: gh.EmergencyDeclared, Declared: &gh.EventDeclared{HeadSHA: s.HeadSHA, BaseRef: s.BaseRef, Ticket: ticket, Reason: reason},
	})
}

// Confirm keeps that somebody confirmed to have reviewed a commit, also of a pull request that an
// emergency released and that is merged by now. refused says, in a sentence, why nothing was kept;
// empty: it was.
func Confirm(ctx context.Context, st *store.Store, tenant store.Tenant, s Statement, at time.Time) (refused string, err error) {
	now, refused, err := s.about(ctx, tenant)
	if err != nil || refused != "" {
		return refused, err
	}
	return "", s.keep(ctx, st, tenant, now, at, gh.Event{
		Name: gh.CommitConfirmed, Confirmed: &gh.EventConfirmed{HeadSHA: s.HeadSHA, BaseRef: s.BaseRef},
	})
}

// about is the pull request as it is by now, or why what the page showed is not that any more.
func (s Statement) about(ctx context.Context, tenant store.Tenant) (now store.KnownChange, refused string, err error) {
	now, err = tenant.KnownChange(ctx, s.RepoID, s.Number)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return now, "The pull request is not known here any more.", nil
	case err != nil:
	case now.HeadSHA != s.HeadSHA:
		refused = "The pull request has another commit by now. Look at what is there, and say it of that."
	case now.BaseRef != s.BaseRef:
		refused = "The pull request goes to another branch by now. Look at it again, and say it of that."
	}
	return now, refused, err
}

// keep keeps what was said as it came in, like a delivery of GitHub's, and has the pull request
// looked at.
func (s Statement) keep(ctx context.Context, st *store.Store, tenant store.Tenant, now store.KnownChange, at time.Time, said gh.Event) error {
	org := tenant.OrgID()
	said.InstallationID, said.Organization = now.InstallationID, gh.Account{ID: org}
	said.Sender = gh.Account{ID: s.ByID, Login: s.By, Type: "User"}
	said.Repository = &gh.EventRepository{ID: s.RepoID, FullName: now.Repository}
	body, err := json.Marshal(said)
	if err != nil {
		return fmt.Errorf("%s: %w", said.Name, err)
	}
	// The same form that says something else now says that as well.
	sum := sha256.Sum256(append([]byte(s.Once), body...))
	id := "session " + hex.EncodeToString(sum[:16])
	// If we stop here, nothing was said and nothing was answered: whoever sends the form again
	// says it once.
	kept, err := st.Receive(ctx, store.Arrival{
		DeliveryID: id, Event: said.Name, InstallationID: now.InstallationID, OrgID: org, RepoID: s.RepoID, Payload: body, ReceivedAt: at,
		Observation: &store.Observation{DeliveryID: id, Event: said.Name, ReceivedAt: at, OrgID: org, RepoID: s.RepoID, Number: s.Number, HeadSHA: s.HeadSHA, Body: body},
		Marks:       []store.Mark{{OrgID: org, InstallationID: now.InstallationID, RepoID: s.RepoID, Repository: now.Repository, Number: s.Number}},
	})
	if err == nil && kept.Undecodable != "" {
		err = fmt.Errorf("%s: it was kept without effect: %s", said.Name, kept.Undecodable)
	}
	return err
}
