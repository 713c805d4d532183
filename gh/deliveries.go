package gh

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// DeliveryAttempt is one attempt of GitHub to deliver an event to the App.
type DeliveryAttempt struct {
	ID int64 // of the attempt
	// GUID is the X-GitHub-Delivery, which all attempts of one delivery share.
	GUID          string
	At            time.Time // when it was made, UTC
	Event, Action string
	// InstallationID and RepoID are 0 when GitHub names none.
	InstallationID, RepoID int64
	// StatusCode is what GitHub was answered with, 0 when there was no answer; Status is what GitHub
	// makes of it in its own words.
	StatusCode int
	Status     string
}

// Arrived says whether GitHub was answered that it came.
func (a DeliveryAttempt) Arrived() bool { return a.StatusCode/100 == 2 }

// maxDeliveryPages bounds one reading of the list: a million attempts.
const maxDeliveryPages = 10_000

// Deliveries hands the attempts since a time to each, a page at a time and the newest first.
// GitHub keeps them for three days, on GitHub Enterprise Server for seven. It stops with the error
// that each returns. ErrTruncated above a million attempts.
//
// Source: GET /app/hook/deliveries, whose pages are named by cursors. How each was answered does not
// say what is here: that is known better from the inbox, also after an old copy of it was restored.
func (c *Connection) Deliveries(ctx context.Context, since time.Time, each func([]DeliveryAttempt) error) error {
	list := cursored[wireDelivery, DeliveryAttempt]{route: "GET /app/hook/deliveries", param: "cursor", item: wireDelivery.attempt}
	app, cursor := c.asApp(), ""
	for range maxDeliveryPages {
		p, next, err := list.page(ctx, app, nil, cursor)
		if err != nil {
			return fmt.Errorf("list the App's deliveries: %w", err)
		}
		recent := p
		for i, a := range p {
			if a.At.Before(since) {
				recent, next = p[:i], ""
				break
			}
		}
		if len(recent) > 0 {
			if err := each(recent); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
	return fmt.Errorf("list the App's deliveries: more than %d pages: %w", maxDeliveryPages, ErrTruncated)
}

// Redeliver asks GitHub to deliver again what an attempt tried to. It comes under the same GUID,
// some time later. ErrNotFound if GitHub does not keep it any more.
//
// Source: POST /app/hook/deliveries/{delivery_id}/attempts.
func (c *Connection) Redeliver(ctx context.Context, attempt int64) error {
	_, err := c.asApp().call(ctx, "POST /app/hook/deliveries/{delivery_id}/attempts", []string{strconv.FormatInt(attempt, 10)}, nil, nil)
	if err != nil {
		return fmt.Errorf("ask for delivery %d again: %w", attempt, err)
	}
	return nil
}

type wireDelivery struct {
	ID             int64      `json:"id"`
	GUID           string     `json:"guid"`
	At             *time.Time `json:"delivered_at"`
	Event          string     `json:"event"`
	Action         string     `json:"action"`
	InstallationID int64      `json:"installation_id"`
	RepoID         int64      `json:"repository_id"`
	StatusCode     int        `json:"status_code"`
	Status         string     `json:"status"`
}

func (w wireDelivery) attempt() (DeliveryAttempt, error) {
	a := DeliveryAttempt{ID: w.ID, GUID: w.GUID, At: utc(w.At), Event: w.Event, Action: w.Action, InstallationID: w.InstallationID, RepoID: w.RepoID,
		StatusCode: w.StatusCode, Status: w.Status}
	if w.ID <= 0 || w.GUID == "" || len(w.GUID) > 100 || w.At == nil {
		return a, errors.New("a delivery without an id or a time")
	}
	return a, nil
}
