package web

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/store"
)

// mostJobs is how many jobs are shown: what was given up, and what is due next.
const mostJobs = 100

// adminPage is how the organisation's work goes on this server.
type adminPage struct {
	Base       string
	Now        time.Time
	Jobs       []store.JobLine
	Dead       int
	MoreJobs   bool
	Deliveries []store.DeliveryLine
	Older      string
	Newest     string
	Keys       []store.LogKey
	Holds      []store.Held
	Ways       []NoticeWay
	Done       string // what a form just did
}

// admin shows what waits, what was given up, and what was received. It is for the organisation's admins.
func (s *Site) admin(v *visit) (shown, error) {
	tenant, err := administered(v)
	if err != nil {
		return shown{}, err
	}
	p := adminPage{Base: v.base(), Now: s.Now(), Done: v.URL.Query().Get("done"), Ways: s.Notices.Ways(v.view.Login)}
	if p.Jobs, err = tenant.Jobs(v.Context(), mostJobs+1); err != nil {
		return shown{}, err
	}
	if p.MoreJobs = len(p.Jobs) > mostJobs; p.MoreJobs {
		p.Jobs = p.Jobs[:mostJobs]
	}
	for i, j := range p.Jobs {
		if j.Dead {
			p.Dead++
		}
		if j.OfOrganisation() { // its repository is the one that made it due last
			p.Jobs[i].Repository, _, _ = strings.Cut(j.Repository, "/")
		}
	}
	if err := p.list(v, tenant); err != nil {
		return shown{}, err
	}
	if p.Holds, err = tenant.Holds(v.Context()); err != nil {
		return shown{}, err
	}
	p.Keys, err = tenant.LogKeys(v.Context())
	if errors.Is(err, store.ErrNotFound) { // nothing is in the log yet
		err = nil
	}
	return shown{"Admin", p}, err
}

// administered is the organisation for its admins; ErrNotFound for others.
func administered(v *visit) (store.Tenant, error) {
	if v.view.Role != store.RoleAdmin {
		return store.Tenant{}, fmt.Errorf("web: administration of organisation %d: %w", v.view.OrgID(), store.ErrNotFound)
	}
	return v.view.Managed()
}

// list is one page of deliveries.
func (p *adminPage) list(v *visit, tenant store.Tenant) error {
	q := v.URL.Query()
	var before store.DeliveryLine
	if at, err := strconv.ParseInt(q.Get("before"), 10, 64); err == nil && at > 0 {
		before.ReceivedAt, before.ID = time.UnixMicro(at), q.Get("id")
		p.Newest = p.Base + "/admin"
	}
	found, err := tenant.Deliveries(v.Context(), before, perPage+1)
	if err != nil {
		return err
	}
	if len(found) > perPage {
		found = found[:perPage]
		last := found[perPage-1]
		p.Older = p.Base + "/admin?" + url.Values{"before": {strconv.FormatInt(last.ReceivedAt.UnixMicro(), 10)}, "id": {last.ID}}.Encode() + "#deliveries"
	}
	p.Deliveries = found
	return nil
}

// revive takes a job up that was given up.
func (s *Site) revive(v *visit) (string, error) {
	tenant, err := administered(v)
	if err == nil {
		err = tenant.Revive(v.Context(), v.id("job"))
	}
	return v.base() + "/admin?done=revived", err
}

// replay has the pull request of a delivery looked at again.
func (s *Site) replay(v *visit) (string, error) {
	tenant, err := administered(v)
	if err == nil {
		err = tenant.Replay(v.Context(), v.PathValue("delivery"))
	}
	return v.base() + "/admin?done=replayed", err
}
