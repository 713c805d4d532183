package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/countersign/countersign/ledger"
)

// Purge says what is to be disposed of, and why.
type Purge struct {
	Reason string // ReasonRetention, …
	Why    string // in whole sentences
	By     Who    // zero: the settings
	// Records, Observations and Deliveries are the times up to which records, what events said and
	// payloads are disposed of. Zero: none are.
	Records, Observations, Deliveries time.Time
}

// Purged says what a purge did.
type Purged struct {
	Disposal // sums over all certificates
	// Kept is how many there were that stay for now, by why.
	Kept map[string]int64
}

// Why something stays.
const (
	KeptByHold      = "a legal hold covers it"
	KeptByChange    = "an open pull request needs it"
	KeptByException = "an exception that is not settled needs it"
	KeptInForce     = "it is in force"
	KeptByRecord    = "a record that is kept rests on it"
	KeptWithLater   = "something was heard of its pull request or issue later"
	KeptAsScope     = "it says what there is, and what was enrolled when"
)

// How many go in one transaction. Others wait for the writer meanwhile, webhooks among them.
const (
	purgeBatch   = 200
	payloadBatch = 500
)

// Purge disposes of what is older than the purge says, and of nothing that is still needed or that
// a hold covers, in small transactions: each writes its certificate. If we stop between two of
// them, the next purge goes on.
func (n Tenant) Purge(ctx context.Context, p Purge) (Purged, error) {
	run := n.newPurge(p)
	// Observations first: the record of a batch of them goes when all of it is gone.
	for _, step := range []struct {
		before time.Time
		do     func(context.Context) error
	}{
		{p.Observations, run.oldObservations}, {p.Records, run.oldRecords}, {p.Deliveries, run.oldDeliveries},
	} {
		if step.before.IsZero() {
			continue
		}
		run.certificate.Before = step.before.UTC().Truncate(time.Microsecond)
		if err := step.do(ctx); err != nil {
			return run.Purged, fmt.Errorf("store: dispose of what organisation %d keeps no longer: %w", n.org, err)
		}
	}
	return run.Purged, nil
}

// purge is one run.
type purge struct {
	Tenant
	Purged
	certificate Disposal // without what was disposed of
	// What was worked out before, by leaf: the decisions that say that a branch is enrolled, and
	// those that kept records of merges rest on.
	inForce, restsOn map[int64]bool
	// floors are the observations, by repository, from which on pushes are needed.
	floors map[int64]int64
}

// since is the time up to which is disposed of, in microseconds; where that is not asked for, the
// end of all time.
func (p *purge) since() int64 {
	if p.certificate.Before.IsZero() {
		return math.MaxInt64
	}
	return micros(p.certificate.Before)
}

func (n Tenant) newPurge(p Purge) *purge {
	return &purge{
		Tenant: n, Purged: Purged{Kept: map[string]int64{}}, floors: map[int64]int64{},
		certificate: Disposal{Reason: p.Reason, Why: p.Why, By: p.By},
	}
}

// batch runs one transaction of a purge: dispose takes things away and counts them in the
// certificate, which is written with that.
func (p *purge) batch(ctx context.Context, dispose func(t *txn, c coverage, d *Disposal) (kept map[string]int64, err error)) error {
	var d Disposal
	var kept map[string]int64
	err := p.s.write(ctx, "dispose", func(t *txn) error {
		d = p.certificate
		held, err := coverageIn(t, p.org, p.s.now())
		if err == nil && d.Reason == ReasonUninstalled {
			err = p.checkUninstalled(t, held)
		}
		if err != nil {
			return err
		}
		if kept, err = dispose(t, held, &d); err != nil {
			return err
		}
		return p.recordDisposal(t, d)
	})
	if err != nil {
		return err
	}
	p.add(d)
	for why, n := range kept {
		p.Kept[why] += n
	}
	return nil
}

const (
	selectKeptLeaves = `SELECT leaf_index, leaf, kind FROM log_leaves
WHERE org_id = $1 AND leaf_index > $2 AND body IS NOT NULL ORDER BY leaf_index LIMIT $3`
	selectKeptObservations = `SELECT seq, received_at, event, repo_id FROM observations
WHERE org_id = $1 AND seq > $2 AND disposed = 0 AND seq <= (SELECT sealed FROM orgs WHERE org_id = $1) ORDER BY seq LIMIT $3`
	selectKeptDeliveries = `SELECT delivery_id, received_at FROM deliveries
WHERE org_id = $1 AND disposed = 0 AND received_at < $2 AND (received_at > $3 OR received_at = $3 AND delivery_id > $4)
ORDER BY received_at, delivery_id LIMIT $5`
)

// oldRecords disposes of records. They were recorded in the order of their leaves.
func (p *purge) oldRecords(ctx context.Context) error {
	if err := p.workOut(ctx); err != nil {
		return err
	}
	for after, more := int64(-1), true; more; {
		var page []int64
		more = false
		err := p.s.query(ctx, selectKeptLeaves, []any{p.org, after, purgeBatch}, func(scan func(...any) error) error {
			var index int64
			var raw []byte
			var kind string
			if err := scan(&index, &raw, &kind); err != nil {
				return err
			}
			leaf, err := ledger.DecodeLeaf(raw)
			if err != nil {
				return err
			}
			if more = leaf.RecordedAt.Before(p.certificate.Before); more {
				after = index
				if disposable[kind] {
					page = append(page, index)
				}
			}
			return nil
		})
		if err == nil && len(page) > 0 {
			err = p.records(ctx, page)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// records disposes of the records of some leaves, in order.
func (p *purge) records(ctx context.Context, indexes []int64) error {
	return p.batch(ctx, func(t *txn, held coverage, d *Disposal) (map[string]int64, error) {
		kept := map[string]int64{}
		for _, index := range indexes {
			r, err := loadKept(t, p.org, index)
			if err != nil {
				return nil, err
			}
			if r == nil {
				continue
			}
			why, err := p.keepsRecord(t, held, r)
			if err != nil {
				return nil, err
			}
			if why != "" {
				kept[why]++
				continue
			}
			blobs, err := p.disposeRecord(t, r)
			if err != nil {
				return nil, err
			}
			d.count(r.kind, index, blobs)
		}
		return kept, nil
	})
}

func (d *Disposal) count(kind string, index, blobs int64) {
	if d.Kinds == nil {
		d.Kinds = map[string]int64{}
	}
	d.Records++
	d.Kinds[kind]++
	d.Leaves = addTo(d.Leaves, index)
	d.Blobs += blobs
}

// oldObservations disposes of what events said. They were received about in the order of their
// seq, so it ends with the first page in which none is old enough.
func (p *purge) oldObservations(ctx context.Context) error {
	for after := int64(0); ; {
		var page []int64
		read := 0
		err := p.s.query(ctx, selectKeptObservations, []any{p.org, after, purgeBatch}, func(scan func(...any) error) error {
			var o observationRow
			if err := scan(&o.seq, &o.receivedAt, &o.event, &o.repo); err != nil {
				return err
			}
			read++
			after = o.seq
			if o.receivedAt < micros(p.certificate.Before) {
				page = append(page, o.seq)
			}
			return nil
		})
		if err == nil && len(page) > 0 {
			err = p.observations(ctx, page)
		}
		if err != nil || read == 0 || len(page) == 0 {
			return err
		}
	}
}

const disposeObservation = `UPDATE observations SET body = $3, disposed = 1 WHERE org_id = $1 AND seq = $2`

// observations disposes of what some events said, in order.
func (p *purge) observations(ctx context.Context, seqs []int64) error {
	if err := p.findFloors(ctx); err != nil {
		return err
	}
	return p.batch(ctx, func(t *txn, held coverage, d *Disposal) (map[string]int64, error) {
		kept := map[string]int64{}
		for _, seq := range seqs {
			o, err := loadObservation(t, p.org, seq)
			if err != nil {
				return nil, err
			}
			if o.disposed {
				continue
			}
			why, err := p.keepsObservation(t, held, o)
			if err != nil {
				return nil, err
			}
			if why != "" {
				kept[why]++
				continue
			}
			if _, err := t.exec(disposeObservation, p.org, seq, []byte{}); err != nil {
				return nil, err
			}
			d.Observations++
			d.Seqs = addTo(d.Seqs, seq)
		}
		return kept, nil
	})
}

// oldDeliveries disposes of payloads.
func (p *purge) oldDeliveries(ctx context.Context) error {
	at, id := int64(0), ""
	for {
		var page []string
		err := p.s.query(ctx, selectKeptDeliveries, []any{p.org, micros(p.certificate.Before), at, id, payloadBatch}, func(scan func(...any) error) error {
			err := scan(&id, &at)
			page = append(page, id)
			return err
		})
		if err == nil && len(page) > 0 {
			err = p.deliveries(ctx, page)
		}
		if err != nil || len(page) == 0 {
			return err
		}
	}
}

const (
	selectPayload  = `SELECT repo_id, received_at, disposed FROM deliveries WHERE org_id = $1 AND delivery_id = $2`
	disposePayload = `UPDATE deliveries SET payload = $3, disposed = 1 WHERE org_id = $1 AND delivery_id = $2`
)

// deliveries disposes of the payloads of some deliveries; their digests stay.
func (p *purge) deliveries(ctx context.Context, ids []string) error {
	return p.batch(ctx, func(t *txn, held coverage, d *Disposal) (map[string]int64, error) {
		kept := map[string]int64{}
		for _, id := range ids {
			var repo, at int64
			var disposed int
			if err := t.row(selectPayload, []any{p.org, id}, &repo, &at, &disposed); err != nil {
				return nil, err
			}
			switch {
			case disposed == 1:
				continue
			case held.covers(repo):
				kept[KeptByHold]++
				continue
			}
			if _, err := t.exec(disposePayload, p.org, id, []byte{}); err != nil {
				return nil, err
			}
			received := fromMicros(at)
			if d.Deliveries == 0 || received.Before(d.ReceivedFrom) {
				d.ReceivedFrom = received
			}
			if received.After(d.ReceivedTo) {
				d.ReceivedTo = received
			}
			d.Deliveries++
		}
		return kept, nil
	})
}

const disposeUnowned = `UPDATE deliveries SET payload = $3, disposed = 1
WHERE delivery_id IN (SELECT delivery_id FROM deliveries WHERE disposed = 0 AND received_at < $1 AND org_id NOT IN (SELECT org_id FROM orgs)
  ORDER BY received_at LIMIT $2)`

// DisposeUnowned disposes of the payloads from before a time that belong to no organisation, because
// they could not be read. There is no log that could say so.
func (s *Store) DisposeUnowned(ctx context.Context, before time.Time) (disposed int64, err error) {
	for {
		var some int64
		err := s.write(ctx, "dispose of payloads of nobody", func(t *txn) (err error) {
			some, err = t.exec(disposeUnowned, micros(before), payloadBatch, []byte{})
			return err
		})
		disposed += some
		if err != nil || some < payloadBatch {
			return disposed, err
		}
	}
}
