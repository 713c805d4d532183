package handlers

import (
	"context"
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
	// Once is of the form that was sent: sent again, it declares nothing more.
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
	switch now, is := open[e.Number]; {
	case !is:
		return "The pull request is not open.", nil
	case now.HeadSHA != e.HeadSHA:
		return "The pull request has another commit by now. Look at what is there, and declare it for that.", nil
	case now.BaseRef != e.BaseRef:
		return "The pull request goes to another branch by now. Look at it again, and declare it for that.", nil
	}
	a, err := e.arrival(ctx, tenant, at)
	if err != nil {
		return "", err
	}
	// If we stop here, nothing was declared and nothing was answered: whoever sends the form again
	// declares it once.
	_, err = st.Receive(ctx, a)
	return "", err
}

func (e Emergency) arrival(ctx context.Context, tenant store.Tenant, at time.Time) (store.Arrival, error) {
	name, err := tenant.RepositoryName(ctx, e.RepoID)
	if err != nil {
		return store.Arrival{}, err
	}
	installation, err := tenant.Installation(ctx)
	if err != nil {
		return store.Arrival{}, err
	}
	body, err := json.Marshal(gh.Event{
		Name: gh.EmergencyDeclared, InstallationID: installation, Organization: gh.Account{ID: tenant.OrgID()},
		Sender: gh.Account{ID: e.ByID, Login: e.By, Type: "User"}, Repository: &gh.EventRepository{ID: e.RepoID, FullName: name},
		Declared: &gh.EventDeclared{HeadSHA: e.HeadSHA, BaseRef: e.BaseRef, Ticket: e.Ticket, Reason: e.Reason},
	})
	if err != nil {
		return store.Arrival{}, fmt.Errorf("declare an emergency: %w", err)
	}
	id := "session " + e.Once
	return store.Arrival{
		DeliveryID: id, Event: gh.EmergencyDeclared, InstallationID: installation, OrgID: tenant.OrgID(), RepoID: e.RepoID, Payload: body, ReceivedAt: at,
		Observation: &store.Observation{DeliveryID: id, Event: gh.EmergencyDeclared, ReceivedAt: at, OrgID: tenant.OrgID(), RepoID: e.RepoID, Number: e.Number, HeadSHA: e.HeadSHA, Body: body},
		Marks:       []store.Mark{{OrgID: tenant.OrgID(), InstallationID: installation, RepoID: e.RepoID, Repository: name, Number: e.Number}},
	}, nil
}
