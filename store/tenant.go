package store

import (
	"context"
	"fmt"
	"time"
)

// Tenant is one organisation: the only way to its rows. Every statement binds its id.
type Tenant struct {
	s   *Store
	org int64
}

// Tenant returns the organisation with this GitHub id. It need not have any rows yet.
func (s *Store) Tenant(orgID int64) Tenant { return Tenant{s: s, org: orgID} }

// OrgID returns the organisation's GitHub id.
func (n Tenant) OrgID() int64 { return n.org }

// OrgRow is an organisation that was seen.
type OrgRow struct {
	ID     int64
	Login  string // as last seen; empty: not known
	Leaves int64  // size of its log
	// UninstalledAt is when the App was uninstalled; zero: it is installed, as far as is known.
	UninstalledAt time.Time
}

const selectOrgs = `SELECT o.org_id, o.login, COALESCE(h.size, 0), o.uninstalled_at FROM orgs o
LEFT JOIN log_heads h ON h.org_id = o.org_id ORDER BY o.org_id`

// Orgs returns every organisation that any arrival named, by id.
func (s *Store) Orgs(ctx context.Context) ([]OrgRow, error) {
	var out []OrgRow
	err := s.query(ctx, selectOrgs, nil, func(scan func(...any) error) error {
		var o OrgRow
		var uninstalled int64
		if err := scan(&o.ID, &o.Login, &o.Leaves, &uninstalled); err != nil {
			return err
		}
		o.UninstalledAt = fromMicros(uninstalled)
		out = append(out, o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list organisations: %w", err)
	}
	return out, nil
}

const (
	selectChangeObservations = `SELECT seq, delivery_id, event, action, received_at, repo_id, number, head_sha, body, disposed
FROM observations WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND number > 0 ORDER BY seq`
	selectHeadObservations = `SELECT seq, delivery_id, event, action, received_at, repo_id, number, head_sha, body, disposed
FROM observations WHERE org_id = $1 AND repo_id = $2 AND head_sha = $3 AND head_sha <> '' AND number = 0 ORDER BY seq`
	// CROSS JOIN: the heads come first, they are few.
	selectProposals = `SELECT o.seq, o.delivery_id, o.event, o.action, o.received_at, o.repo_id, o.number, o.head_sha, o.body, o.disposed
FROM change_heads h CROSS JOIN observations o
WHERE o.org_id = h.org_id AND o.repo_id = h.repo_id AND o.number = h.number AND o.number > 0 AND h.org_id = $1 AND h.repo_id = $2 AND h.head_sha = $3 AND o.head_sha = h.head_sha AND o.event = 'pull_request' ORDER BY o.seq`
)

// Observations returns what every event about a pull request said, in order of receipt.
func (n Tenant) Observations(ctx context.Context, repoID int64, number int) ([]Observation, error) {
	return n.observations(ctx, selectChangeObservations, repoID, number)
}

// HeadObservations returns what events about a head said that name no pull request, in order
// of receipt: its checks and statuses, and the pushes that made it.
func (n Tenant) HeadObservations(ctx context.Context, repoID int64, headSHA string) ([]Observation, error) {
	return n.observations(ctx, selectHeadObservations, repoID, headSHA)
}

// Proposals returns what events of any pull request said while a commit was its head, in order
// of receipt.
func (n Tenant) Proposals(ctx context.Context, repoID int64, headSHA string) ([]Observation, error) {
	return n.observations(ctx, selectProposals, repoID, headSHA)
}

func (n Tenant) observations(ctx context.Context, query string, repoID int64, key any) ([]Observation, error) {
	var out []Observation
	err := n.eachObservation(ctx, query, []any{n.org, repoID, key}, func(o Observation) error {
		out = append(out, o)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list observations of repository %d, %v: %w", repoID, key, err)
	}
	return out, nil
}

func (n Tenant) eachObservation(ctx context.Context, query string, args []any, each func(Observation) error) error {
	return n.s.query(ctx, query, args, func(scan func(...any) error) error {
		o := Observation{OrgID: n.org}
		var at int64
		var disposed int
		if err := scan(&o.Seq, &o.DeliveryID, &o.Event, &o.Action, &at, &o.RepoID, &o.Number, &o.HeadSHA, &o.Body, &disposed); err != nil {
			return err
		}
		o.ReceivedAt, o.Disposed = fromMicros(at), disposed == 1
		return each(o)
	})
}

const selectPermissions = `SELECT review_id, permission FROM review_permissions
WHERE org_id = $1 AND repo_id = $2 AND number = $3`

// ReviewPermissions returns, by review id, what the reviewer was allowed to do when the
// review was first read. Reviews that were never recorded are missing.
func (n Tenant) ReviewPermissions(ctx context.Context, repoID int64, number int) (map[int64]string, error) {
	out := map[int64]string{}
	err := n.s.query(ctx, selectPermissions, []any{n.org, repoID, number}, func(scan func(...any) error) error {
		var id int64
		var permission string
		if err := scan(&id, &permission); err != nil {
			return err
		}
		out[id] = permission
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list review permissions of repository %d, number %d: %w", repoID, number, err)
	}
	return out, nil
}

// Current is the newest decision of a change.
type Current struct {
	RecordID, HeadSHA, CheckName, Verdict string
	Final                                 bool
}

const selectCurrent = `SELECT record_id, decided_head, check_name, verdict, final FROM changes
WHERE org_id = $1 AND repo_id = $2 AND number = $3 AND record_id <> ''`

// Current returns the newest decision of a change; ErrNotFound if there is none, or if the
// change is not enrolled any more.
func (n Tenant) Current(ctx context.Context, repoID int64, number int) (Current, error) {
	var c Current
	var final int
	err := n.s.one(ctx, selectCurrent, []any{n.org, repoID, number}, &c.RecordID, &c.HeadSHA, &c.CheckName, &c.Verdict, &final)
	if err != nil {
		return Current{}, fmt.Errorf("store: current decision of repository %d, number %d: %w", repoID, number, err)
	}
	c.Final = final == 1
	return c, nil
}

const selectEmergencyMembers = `SELECT comment_id, member FROM emergency_members WHERE org_id = $1 AND repo_id = $2 AND number = $3`

// EmergencyMembers returns, by the key of a declaration, whether its author was
// in the emergency team when it was first looked at. Those that were not recorded are missing.
func (n Tenant) EmergencyMembers(ctx context.Context, repoID int64, number int) (map[int64]string, error) {
	out := map[int64]string{}
	err := n.s.query(ctx, selectEmergencyMembers, []any{n.org, repoID, number}, func(scan func(...any) error) error {
		var id int64
		var member string
		if err := scan(&id, &member); err != nil {
			return err
		}
		out[id] = member
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("store: list emergency members of repository %d, number %d: %w", repoID, number, err)
	}
	return out, nil
}
