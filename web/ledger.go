package web

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
)

// ledgerPage is how the log stands, and who read or took what.
type ledgerPage struct {
	Base, Login string
	OrgID       int64
	PublicURL   string
	Log         store.LogState
	Witnesses   []witnessLine
	Recoveries  []store.Recovered
	Accesses    []accessLine
	Older       string // address of earlier accesses; empty: there are none
	Newest      string // address of the newest; empty: this is it
	Bounded     bool   // only the accesses of an auditor's time are shown
}

// witnessLine is one who is asked to cosign.
type witnessLine struct {
	Name, Key string
	Size      int64 // of the newest checkpoint that was cosigned; 0: none
	At        time.Time
}

// accessLine is what the log says that somebody read, took or granted.
type accessLine struct {
	Leaf     int64
	At       time.Time
	By, What string
	Detail   string
}

// ledger shows the log.
func (s *Site) ledger(v *visit) (shown, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return shown{}, err
	}
	p := ledgerPage{Base: v.base(), Login: v.view.Login, OrgID: v.view.OrgID(), PublicURL: s.PublicURL, Bounded: !v.view.Before.IsZero()}
	if p.Log, err = tenant.LogState(v.Context()); err != nil {
		return shown{}, err
	}
	for _, key := range s.Witnesses {
		name, _, _ := strings.Cut(key, "+")
		w := witnessLine{Name: name, Key: key}
		if w.Size, w.At, err = tenant.LastCosigned(v.Context(), key); err != nil {
			return shown{}, err
		}
		p.Witnesses = append(p.Witnesses, w)
	}
	if p.Recoveries, err = tenant.Recoveries(v.Context()); err != nil {
		return shown{}, err
	}
	return shown{"Ledger", p}, p.accesses(v, tenant)
}

// accesses lists who read or took what, newest first; for an auditor, in their time.
func (p *ledgerPage) accesses(v *visit, tenant store.Tenant) error {
	below := int64(math.MaxInt64)
	if p.Bounded {
		end, err := tenant.LeafSince(v.Context(), v.view.Before)
		if err != nil {
			return err
		}
		below = end
	}
	if after, err := strconv.ParseInt(v.URL.Query().Get("after"), 10, 64); err == nil { // anything else is the first page
		below, p.Newest = min(after, below), withParam(v.URL, "after", "")
	}
	list, err := tenant.AccessesBelow(v.Context(), below, perPage+1)
	if err != nil {
		return err
	}
	for i, a := range list {
		if p.Bounded && a.At.Before(v.view.From) {
			break
		}
		if i == perPage {
			p.Older = withParam(v.URL, "after", strconv.FormatInt(list[i-1].LeafIndex, 10))
			break
		}
		line, err := accessLineOf(a)
		if err != nil {
			return err
		}
		p.Accesses = append(p.Accesses, line)
	}
	return nil
}

func accessLineOf(a store.Accessed) (accessLine, error) {
	l := accessLine{Leaf: a.LeafIndex, At: a.At, By: a.By.String(), What: a.What}
	if a.What == "" {
		l.By, l.What = "disposed of", "disposed of"
		return l, nil
	}
	var q struct {
		Page, Query, Name, Grant string
		From, To, Before         time.Time
	}
	if err := json.Unmarshal(a.Query, &q); err != nil {
		return l, fmt.Errorf("web: access of leaf %d: %w", a.LeafIndex, err)
	}
	switch a.What {
	case store.AccessExport:
		l.What, l.Detail = "made a bundle", fmt.Sprintf("%s to %s, manifest %s", q.From.Format(time.DateOnly), lastDay(q.To).Format(time.DateOnly), a.ManifestSHA256)
	case store.AccessStored:
		l.What, l.Detail = "had a bundle locked in the bucket", fmt.Sprintf("until %s, object %s, manifest %s", a.Stored.LockedUntil.Format(time.DateOnly), a.Stored.Object, a.ManifestSHA256)
	case store.AccessRead:
		l.Detail = q.Page
		if q.Query != "" {
			l.Detail += "?" + q.Query
		}
		if a.ManifestSHA256 != "" {
			l.What, l.Detail = "took a bundle", "manifest "+a.ManifestSHA256
		}
	case store.AccessGrant:
		l.What, l.Detail = "let an auditor in", fmt.Sprintf("%s, for %s to %s", q.Name, q.From.Format(time.DateOnly), lastDay(q.Before).Format(time.DateOnly))
	case store.AccessRevoke:
		l.What, l.Detail = "revoked a grant", q.Grant
	}
	return l, nil
}
