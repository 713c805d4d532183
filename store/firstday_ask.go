package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/policy"
)

// FirstDayReach is how far back the report goes that the server makes by itself.
const FirstDayReach = 90 * 24 * time.Hour

// FirstDayOccasion is what an arrival says for the report of the first day.
type FirstDayOccasion int

// The occasions. Any other arrival is none.
const (
	// FirstDayInstalled: the App was installed, so the report is made. The same installation has it
	// made once, however often it is told.
	FirstDayInstalled FirstDayOccasion = iota + 1
	// FirstDayEnlarged: repositories were added. Where the server ever made a report, it is seen
	// whether there is more to say.
	FirstDayEnlarged
)

// The stages of making a report.
const (
	FirstDayStageLook  = "look"  // through the repositories, for what was merged
	FirstDayStageJudge = "judge" // what was merged
)

// FirstDayAsk is a report that the server is to make, or made.
type FirstDayAsk struct {
	AskedAt time.Time // tells one from the next
	EndedAt time.Time // zero: it is not made yet
	// EnlargedAt is when repositories were added that nobody looked for since; zero: none were.
	EnlargedAt time.Time
	// Reading is what SaveFirstDay kept last; empty: nothing.
	Reading []byte
}

// FirstDayProgress is how far a report is.
type FirstDayProgress struct {
	Stage       string // FirstDayStage…; empty: it is not begun
	Done, Total int
	Why         string // why it did not go on, for a person; empty: it did
}

const (
	// What is asked for anew is another one, also for whoever is at it.
	upsertFirstDayAsk = `INSERT INTO first_day_asks (org_id, installation_id, asked_at, ended_at, enlarged_at, stage, done, total, why, reading)
VALUES ($1, $2, $3, 0, 0, '', 0, 0, '', $4)
ON CONFLICT (org_id) DO UPDATE SET installation_id = excluded.installation_id,
  asked_at = CASE WHEN excluded.asked_at > first_day_asks.asked_at THEN excluded.asked_at ELSE first_day_asks.asked_at + 1 END,
  ended_at = 0, enlarged_at = 0, stage = '', done = 0, total = 0, why = '', reading = excluded.reading
WHERE first_day_asks.ended_at > 0 OR first_day_asks.installation_id < excluded.installation_id`
	selectFirstDayInstallation = `SELECT installation_id FROM first_day_asks WHERE org_id = $1`
	updateFirstDayEnlarged     = `UPDATE first_day_asks SET enlarged_at = $2 WHERE org_id = $1`
)

// askFirstDay does what the arrival is the occasion for. Its mark of the job is another part of it.
func (a Arrival) askFirstDay(t *txn) error {
	var before int64
	switch a.FirstDay {
	case FirstDayInstalled:
		err := t.row(selectFirstDayInstallation, []any{a.OrgID}, &before)
		if err != nil && !errors.Is(err, sql.ErrNoRows) || before >= a.InstallationID {
			return err // it was asked for already
		}
		_, err = t.exec(upsertFirstDayAsk, a.OrgID, a.InstallationID, micros(a.ReceivedAt), []byte{})
		return err
	case FirstDayEnlarged:
		_, err := t.exec(updateFirstDayEnlarged, a.OrgID, micros(a.ReceivedAt))
		return err
	}
	return nil
}

// AskFirstDay has the server make the report, anew if it made one. While one is being made that is the
// one. ErrNotFound if nothing ever came from an installation of the App.
func (n Tenant) AskFirstDay(ctx context.Context) error {
	return n.s.write(ctx, "ask for the first day's report", func(t *txn) error {
		m := Mark{Kind: KindFirstDay, OrgID: n.org}
		if err := t.row(selectInstallationOfOrg, []any{n.org}, &m.InstallationID); err != nil {
			return err
		}
		if m.InstallationID == 0 {
			return ErrNotFound
		}
		if err := t.row(selectLogin, []any{n.org}, &m.Repository); err != nil {
			return err
		}
		m.Repository += "/"
		if _, err := t.exec(upsertFirstDayAsk, n.org, m.InstallationID, micros(n.s.now()), []byte{}); err != nil {
			return err
		}
		_, err := n.s.mark(t, m.job(), false, false)
		return err
	})
}

const selectFirstDayAsk = `SELECT a.asked_at, a.ended_at, a.enlarged_at, a.reading FROM first_day_asks a JOIN orgs o ON o.org_id = a.org_id
WHERE a.org_id = $1 AND o.uninstalled_at = 0`

// FirstDayAsk is the report that the server is to make, or made last; ErrNotFound if there is none, or
// the App was uninstalled.
func (n Tenant) FirstDayAsk(ctx context.Context) (a FirstDayAsk, err error) {
	var asked, ended, enlarged int64
	if err := n.s.one(ctx, selectFirstDayAsk, []any{n.org}, &asked, &ended, &enlarged, &a.Reading); err != nil {
		return a, fmt.Errorf("store: first day's report that organisation %d is to have: %w", n.org, err)
	}
	a.AskedAt, a.EndedAt, a.EnlargedAt = fromMicros(asked), fromMicros(ended), fromMicros(enlarged)
	return a, nil
}

const (
	selectFirstDayAsked = `SELECT a.asked_at, a.ended_at FROM first_day_asks a JOIN orgs o ON o.org_id = a.org_id
WHERE a.org_id = $1 AND o.uninstalled_at = 0`
	// Repositories that were added before the list was read are in it.
	updateFirstDayAsk = `UPDATE first_day_asks SET ended_at = $3, enlarged_at = CASE WHEN enlarged_at > $4 THEN enlarged_at ELSE 0 END,
  stage = $5, done = $6, total = $7, why = $8, reading = $9
WHERE org_id = $1 AND asked_at = $2`
)

// SaveFirstDay keeps how far a report is, by the job that makes it. Which repositories there are was
// asked at listed; zero: it was not yet. ErrNotFound if another one was asked for meanwhile, or it was
// made by hand: there is nothing to go on with.
func (n Tenant) SaveFirstDay(ctx context.Context, job Job, a FirstDayAsk, listed time.Time, p FirstDayProgress) error {
	return n.s.write(ctx, "keep how far the first day's report is", func(t *txn) error {
		return n.saveFirstDay(t, job, a, a.EndedAt, listed, p)
	})
}

func (n Tenant) saveFirstDay(t *txn, job Job, a FirstDayAsk, end, listed time.Time, p FirstDayProgress) error {
	if _, err := hold(t, job); err != nil {
		return err
	}
	var asked, ended int64
	if err := found(t.row(selectFirstDayAsked, []any{n.org}, &asked, &ended)); err != nil {
		return err
	}
	if asked != micros(a.AskedAt) || ended != micros(a.EndedAt) {
		return ErrNotFound
	}
	_, err := t.exec(updateFirstDayAsk, n.org, asked, micros(end), micros(listed), p.Stage, p.Done, p.Total, p.Why, notNull(a.Reading))
	return err
}

const endFirstDayAsk = `UPDATE first_day_asks SET ended_at = $2, why = '' WHERE org_id = $1 AND ended_at = 0`

// EndFirstDay keeps the report that the server was to make, in place of the one before, and ends the
// making of it, in one. The job goes on. ErrNotFound as with SaveFirstDay.
func (n Tenant) EndFirstDay(ctx context.Context, job Job, a FirstDayAsk, listed time.Time, r *policy.FirstDay) error {
	report, err := encodeFirstDay(r)
	if err != nil {
		return err
	}
	return n.s.write(ctx, "keep the first day's report", func(t *txn) error {
		// If we stop before this is committed, it is made again from where it was saved last, and if
		// after it, whoever takes the job finds it ended.
		if err := n.saveFirstDay(t, job, a, n.s.now(), listed, FirstDayProgress{}); err != nil {
			return err
		}
		return n.putFirstDay(t, r, report)
	})
}

// FirstDayWork is how the making of a report goes on, for people.
type FirstDayWork struct {
	FirstDayProgress
	Ended bool
	// Enlarged is when repositories were added that nobody looked for since; zero: none were.
	Enlarged time.Time
	Running  bool
	Limited  bool // it waits for GitHub's limits
	GivenUp  bool
	Due      bool // it waits for nothing but its turn
	NextAt   time.Time
}

const selectFirstDayWork = `SELECT a.stage, a.done, a.total, a.why, a.ended_at, a.enlarged_at, COALESCE(j.lease_until, 0), COALESCE(j.hold_until, 0), COALESCE(j.dead, 0), COALESCE(j.run_at, 0)
FROM first_day_asks a LEFT JOIN jobs j ON j.org_id = a.org_id AND j.kind = 'firstday' AND j.ukey = 'firstday' WHERE a.org_id = $1`

// FirstDayWork says how the making of a report goes on; ErrNotFound if the server never was to make one.
func (n Tenant) FirstDayWork(ctx context.Context) (w FirstDayWork, err error) {
	var ended, enlarged, lease, held, dead, next int64
	err = n.s.one(ctx, selectFirstDayWork, []any{n.org}, &w.Stage, &w.Done, &w.Total, &w.Why, &ended, &enlarged, &lease, &held, &dead, &next)
	if err != nil {
		return w, fmt.Errorf("store: how organisation %d's first day's report goes on: %w", n.org, err)
	}
	now := micros(n.s.now())
	w.Ended, w.Enlarged, w.Running, w.Limited, w.GivenUp, w.NextAt = ended > 0, fromMicros(enlarged), lease > now, held > now, dead == 1, fromMicros(next)
	w.Due = !w.Running && !w.GivenUp && next <= now
	return w, nil
}
