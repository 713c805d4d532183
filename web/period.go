package web

import (
	"net/url"
	"time"
)

// usualDays is how many days figures are of when nobody asks for others, and mostDays how many they
// can be of.
const (
	usualDays = 30
	mostDays  = 10 * 366
)

// period is the days that figures are of.
type period struct {
	From, Before time.Time // Before is the day after the last
}

// To is the last day.
func (p period) To() time.Time { return p.Before.AddDate(0, 0, -1) }

// Empty says whether there is no whole day in it.
func (p period) Empty() bool { return !p.From.Before(p.Before) }

// query is the period as an address has it, with more parameters.
func (p period) query(more ...string) string {
	q := url.Values{"from": {p.From.Format(time.DateOnly)}, "to": {p.To().Format(time.DateOnly)}}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return q.Encode()
}

// period reads which days are asked for: the last 30, if none are. An auditor's are within their time.
func (s *Site) period(v *visit) (p period, err error) {
	q := v.URL.Query()
	if p.From, err = dayOf(q.Get("from")); err != nil {
		return p, err
	}
	if p.Before, err = dayOf(q.Get("to")); err != nil {
		return p, err
	}
	if p.Before.IsZero() {
		p.Before = s.Now().UTC().Truncate(24 * time.Hour)
		if end := v.view.Before.AddDate(0, 0, -1); !v.view.Before.IsZero() && end.Before(p.Before) {
			p.Before = end.UTC().Truncate(24 * time.Hour)
		}
	}
	p.Before = p.Before.AddDate(0, 0, 1) // the day is part of it
	if p.From.IsZero() {
		p.From = p.Before.AddDate(0, 0, -usualDays)
	}
	switch {
	case p.Empty():
		return p, refusal("The first day of a period is not after its last.")
	case p.Before.Sub(p.From) > mostDays*24*time.Hour:
		return p, refusal("A period has ten years at most.")
	}
	p.From, p.Before = v.view.Days(p.From, p.Before)
	return p, nil
}

// maxWeeks is how many columns of weeks a chart has at most; longer periods are shown by month.
const maxWeeks = 53

// columns are the weeks or months that the period touches, each by its first day in the period.
func (p period) columns() (first []time.Time, byMonth bool) {
	if p.Empty() {
		return nil, false
	}
	byMonth = p.Before.Sub(p.From) > maxWeeks*7*24*time.Hour
	for at := p.From; at.Before(p.Before); {
		first = append(first, at)
		if byMonth {
			at = time.Date(at.Year(), at.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		} else {
			at = at.AddDate(0, 0, 7-(int(at.Weekday())+6)%7) // next Monday
		}
	}
	return first, byMonth
}
