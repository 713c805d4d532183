package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/store"
)

// Emergency is what somebody declares on the page of a pull request, in a session of their own.
type Emergency struct {
	RepoID int64
	Number int
	// HeadSHA and BaseRef are what the page showed.
	HeadSHA, BaseRef string
	Ticket, Reason   string
	// Once is of the form that was sent: the same sent again declares nothing more.
	Once string
	// ByID is GitHub's id of the account that signed in, and By its login.
	ByID int64
	By   string
}

// Declare keeps a declaration as it came in, like a delivery of GitHub's, and has the pull request
// looked at. Whether it counts is the policy's to say. refused says, in a sentence, why nothing was
// kept; empty: it was.
func Declare(ctx context.Context, st *store.Store, tenant store.Tenant, e Emergency, at time.Time) (refused string, err error) {
	open, err := tenant.OpenChanges(ctx, e.RepoID)
	if err != nil {
		return "", err
	}
	now, is := open[e.Number]
	switch {
	case !is:
		return "The pull request is not open.", nil
	case now.HeadSHA != e.HeadSHA:
		return "The pull request has another commit by now. Look at what is there, and declare it for that.", nil
	case now.BaseRef != e.BaseRef:
		return "The pull request goes to another branch by now. Look at it again, and declare it for that.", nil
	}
	a, err := e.arrival(tenant.OrgID(), now, at)
	if err != nil {
		return "", err
	}
	// If we stop here, nothing was declared and nothing was answered: whoever sends the form again
	// declares it once.
	kept, err := st.Receive(ctx, a)
	if err == nil && kept.Undecodable != "" {
		err = fmt.Errorf("declare an emergency: it was kept without effect: %s", kept.Undecodable)
	}
	return "", err
}

func (e Emergency) arrival(org int64, now store.OpenChange, at time.Time) (store.Arrival, error) {
	body, err := json.Marshal(gh.Event{
		Name: gh.EmergencyDeclared, InstallationID: now.InstallationID, Organization: gh.Account{ID: org},
		Sender: gh.Account{ID: e.ByID, Login: e.By, Type: "User"}, Repository: &gh.EventRepository{ID: e.RepoID, FullName: now.Repository},
		Declared: &gh.EventDeclared{HeadSHA: e.HeadSHA, BaseRef: e.BaseRef, Ticket: e.Ticket, Reason: e.Reason},
	})
	if err != nil {
		return store.Arrival{}, fmt.Errorf("declare an emergency: %w", err)
	}
	// The same form that says something else now declares that as well.
	sum := sha256.Sum256(append([]byte(e.Once), body...))
	id := "session " + hex.EncodeToString(sum[:16])
	return store.Arrival{
		DeliveryID: id, Event: gh.EmergencyDeclared, InstallationID: now.InstallationID, OrgID: org, RepoID: e.RepoID, Payload: body, ReceivedAt: at,
		Observation: &store.Observation{DeliveryID: id, Event: gh.EmergencyDeclared, ReceivedAt: at, OrgID: org, RepoID: e.RepoID, Number: e.Number, HeadSHA: e.HeadSHA, Body: body},
		Marks:       []store.Mark{{OrgID: org, InstallationID: now.InstallationID, RepoID: e.RepoID, Repository: now.Repository, Number: e.Number}},
	}, nil
}
