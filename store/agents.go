package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// AgentSeen is an agent or automation that decisions named.
type AgentSeen struct {
	Name        string // in the catalogue
	First, Last time.Time
}

const (
	upsertAgent = `INSERT INTO agents_seen (org_id, agent, first_at, last_at) VALUES ($1, $2, $3, $3)
ON CONFLICT (org_id, agent) DO UPDATE SET last_at = excluded.last_at`
	selectAgents = `SELECT agent, first_at, last_at FROM agents_seen WHERE org_id = $1 ORDER BY agent`
)

// seeAgents notes when the agents among the marks of a decision were seen. Decisions come in the
// order of their times.
func seeAgents(t tables, org, at int64, marks []string) error {
	for _, mark := range marks {
		if name, is := strings.CutPrefix(mark, MarkAgent); is {
			if _, err := t.exec(upsertAgent, org, name, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// AgentsSeen lists the agents that decisions named, by name.
func (n Tenant) AgentsSeen(ctx context.Context) (out []AgentSeen, err error) {
	err = n.s.query(ctx, selectAgents, []any{n.org}, func(scan func(...any) error) error {
		var a AgentSeen
		var first, last int64
		err := scan(&a.Name, &first, &last)
		a.First, a.Last = fromMicros(first), fromMicros(last)
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("store: agents of organisation %d: %w", n.org, err)
	}
	return out, nil
}

const selectUnseen = `SELECT org_id, leaf_index, recorded_at, decision FROM decisions
WHERE number > 0 AND (org_id > $1 OR org_id = $1 AND leaf_index > $2) ORDER BY org_id, leaf_index LIMIT 500`

// seeAllAgents sees the agents of all decisions that are there.
func seeAllAgents(m migrating) error {
	org, leaf := int64(0), int64(-1)
	for {
		type seen struct {
			org, at int64
			marks   []string
		}
		var batch []seen
		rows, err := m.tx.QueryContext(m.ctx, selectUnseen, org, leaf)
		if err != nil {
			return err
		}
		for rows.Next() {
			var d seen
			var decision []byte
			if err = rows.Scan(&org, &leaf, &d.at, &decision); err != nil {
				break
			}
			var l listing
			if l, err = listingOf(decision, nil); err != nil {
				break
			}
			d.org, d.marks = org, l.marks
			batch = append(batch, d)
		}
		if err == nil {
			err = rows.Err()
		}
		rows.Close()
		for _, d := range batch {
			if err == nil {
				err = seeAgents(m, d.org, d.at, d.marks)
			}
		}
		if err != nil || len(batch) == 0 {
			return err
		}
	}
}
