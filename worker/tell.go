package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/notify"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// tellAttempts is after how many failed runs telling is given up, about a quarter of an hour
// after the first. The next event of the exception is told anew.
const tellAttempts = 10

// tell tells an organisation of the newest event of an exception, each way that wants such an event
// and was not used for it. A failure is the job's: it is tried again, and what arrived is on record
// and not sent again. If we stop between the answer and the record it is sent once more, under the
// same id.
func (w *Worker) tell(ctx context.Context, log zerolog.Logger, tenant store.Tenant, job store.Job, e store.Exception) error {
	organisation, err := w.login(ctx, job)
	if err != nil {
		return err
	}
	event := notify.Opened
	if !e.OverdueAt.IsZero() {
		event = notify.Overdue
	}
	of := w.Notify.Of(organisation)
	ways := slices.DeleteFunc(of.Ways(), func(way string) bool { return !of.Wants(way, event, e.Severity) || *told(&e, way) == event })
	if len(ways) == 0 {
		return nil
	}
	notice, err := w.notice(e, event, organisation)
	if err != nil {
		return err
	}
	var failure error
	for _, way := range ways {
		step := "told"
		if err := w.Notify.Send(ctx, way, notice); err != nil {
			if job.Attempt < tellAttempts || ctx.Err() != nil {
				failure = err // the other way is not held up by it
				continue
			}
			step = "not-told"
			log.Error().Err(err).Str("exception", e.ID).Str("event", event).Msg("people could not be told of an exception; no more attempts")
		}
		err := tenant.StepException(ctx, e.ID, func(e *store.Exception) bool {
			*told(e, way), e.Step, e.By = event, step, stepByUs
			return true
		})
		if err != nil {
			return err
		}
	}
	return failure
}

// told is where an exception keeps what was told one way.
func told(e *store.Exception, way string) *string {
	if way == notify.Slack {
		return &e.ToldSlack
	}
	return &e.ToldWebhook
}

// login is the name of a job's organisation.
func (w *Worker) login(ctx context.Context, job store.Job) (string, error) {
	if owner, _, ok := strings.Cut(job.Repository, "/"); ok {
		return owner, nil
	}
	orgs, err := w.Store.Orgs(ctx)
	for _, o := range orgs {
		if o.ID == job.OrgID {
			return o.Login, err
		}
	}
	return "", err
}

func (w *Worker) notice(e store.Exception, event, organisation string) (notify.Notice, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return notify.Notice{}, fmt.Errorf("encode exception: %w", err)
	}
	n := notify.Notice{
		ID: e.ID + "/" + event, Event: "exception." + event, Organisation: organisation, Repository: e.Repository, Number: e.Number,
		Title: "Exception " + e.Kind, Text: e.Reason, Exception: body,
	}
	switch {
	case event == notify.Overdue:
		n.Title += " is overdue since " + policy.WhenUTC(e.DueAt)
	case !e.DueAt.IsZero():
		n.Title += ", to be settled by " + policy.WhenUTC(e.DueAt)
	}
	if e.Owner != "" {
		n.Text += " Owner: " + e.Owner + "."
	}
	if e.Repository != "" && e.Number != 0 {
		n.URL = fmt.Sprintf("%s/%s/pull/%d", w.WebURL, e.Repository, e.Number)
	}
	return n, nil
}
