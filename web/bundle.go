package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/store"
)

// bundlePage is one bundle: what it would say, how far it is, and where it is taken.
type bundlePage struct {
	Base, Here string
	Gone       bool // nothing is known of it any more
	Query      evidence.Query
	To         time.Time // last day
	Sample     string
	Bundle     store.Bundle
	State      string
	Tone       string
	Busy       bool
	Killed     bool
	Step       int64 // of a hundred
	Preview    *evidence.Preview
	Past       bool // the period is over in the log
	HasFile    bool
	Made       bool
	Uploading  bool // it is being put into the bucket
	NoBucket   bool // the settings have none any more
	Login      string
}

// bundle shows a bundle.
func (s *Site) bundle(v *visit) (shown, error) {
	p := bundlePage{Base: v.base(), Here: bundlePath(v, v.PathValue("bundle")), Login: v.view.Login}
	if _, err := v.view.Whole(); err != nil {
		return shown{}, err
	}
	_, b, q, err := v.asked()
	if errors.Is(err, store.ErrNotFound) {
		p.Gone = true
		return shown{"Bundle", p}, nil
	}
	if err != nil {
		return shown{}, err
	}
	p.Query = q
	now := s.Now()
	p.Bundle, p.To, p.Sample, p.Busy, p.Killed, p.Made = b, lastDay(p.Query.To), sampleInWords(p.Query), b.Busy(now), b.Killed(now), b.State == store.BundleMade
	p.Uploading, p.NoBucket = b.Upload.Busy(now), !s.Bundles.Locks
	p.State, p.Tone = stateInWords(b, now)
	if v.slight = p.Busy; p.Busy {
		p.Step = 100 * b.Progress.Done / max(b.Progress.Total, 1)
		return shown{p.title(), p}, nil
	}
	if err := p.preview(); err != nil {
		return shown{}, err
	}
	if p.Made {
		p.HasFile, err = s.hasFile(b)
	}
	return shown{p.title(), p}, err
}

func (p bundlePage) title() string {
	return fmt.Sprintf("Bundle of %s to %s", p.Query.From.Format(time.DateOnly), p.To.Format(time.DateOnly))
}

// preview reads what the bundle would say, if it was looked at.
func (p *bundlePage) preview() error {
	if p.Bundle.Preview == nil {
		return nil
	}
	p.Preview = &evidence.Preview{}
	if err := json.Unmarshal(p.Bundle.Preview, p.Preview); err != nil {
		return fmt.Errorf("web: what bundle %s would say: %w", p.Bundle.ID, err)
	}
	p.Past = !p.Preview.AsOf.Before(p.Query.To)
	return nil
}

// hasFile says whether this server has the file.
func (s *Site) hasFile(b store.Bundle) (bool, error) {
	content, _, err := s.Bundles.Open(b)
	if errors.Is(err, ErrNotHere) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, content.Close()
}

// asked is the bundle in the path, for those who may have evidence of its period.
func (v *visit) asked() (store.Tenant, store.Bundle, evidence.Query, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return store.Tenant{}, store.Bundle{}, evidence.Query{}, err
	}
	b, err := tenant.Bundle(v.Context(), v.PathValue("bundle"))
	if err != nil {
		return store.Tenant{}, store.Bundle{}, evidence.Query{}, err
	}
	q, err := queryOf(b)
	if err == nil && !v.mayAsk(q) {
		err = fmt.Errorf("web: bundle %s is of another time: %w", b.ID, store.ErrNotFound)
	}
	return tenant, b, q, err
}

// makeBundle has a bundle made that was looked at, or has what failed tried again.
func (s *Site) makeBundle(v *visit) (string, error) {
	tenant, b, _, err := v.asked()
	if err != nil {
		return "", err
	}
	if err := s.room(v, tenant); err != nil {
		return "", err
	}
	taken, err := tenant.TakeBundle(v.Context(), b.ID, s.Bundles.Server)
	if errors.Is(err, store.ErrNotFound) {
		return "", refusal("This bundle is being worked on already.")
	}
	if err != nil {
		return "", err
	}
	s.Bundles.Start(tenant, v.view.Login, taken)
	return bundlePath(v, b.ID), nil
}

// bundleFile is the file of a bundle.
func (s *Site) bundleFile(v *visit) (download, error) {
	_, b, q, err := v.asked()
	if err != nil {
		return download{}, err
	}
	if b.State != store.BundleMade {
		return download{}, refusal("This bundle is not made yet, or not any more.")
	}
	content, bytes, err := s.Bundles.Open(b)
	if errors.Is(err, ErrNotHere) {
		return download{}, refusal("The file is beside another server, or was deleted. The bundle's page can have it made again.")
	}
	if err != nil {
		return download{}, err
	}
	name := fmt.Sprintf("%s-%s-%s.zip", v.view.Login, q.From.Format(time.DateOnly), lastDay(q.To).Format(time.DateOnly))
	return download{name, "application/zip", bytes, content, b.ManifestSHA256}, nil
}
