package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/ledger"
)

// The kinds of leaves that are read here.
const (
	leafDecision   = "decision"
	leafMerge      = "merge"
	leafException  = "exception"
	leafProtection = "protection"
	leafAttest     = "attestation"
	leafEnrolment  = "enrolment"
	leafScope      = "scope"
	leafRotation   = "key-rotation"
	leafGeneration = "generation"
)

// clockSkew is how far GitHub's clock and the server's may be apart.
const clockSkew = 24 * time.Hour

// contents are what the records of a log say about a period. Whoever exports a bundle and whoever
// verifies it come to them in the same way, leaf by leaf.
type contents struct {
	origin string
	query  Query

	tree    ledger.Rebuild
	hashes  storedHashes
	asOf    time.Time
	after   afterPeriod
	merge   func(body []byte) (*mergeBody, error) // decodes updates; nil: none was read yet
	changes []change
	// room is about how many changes there will be: a list that grows takes its size many times over.
	room int
	// made are the updates that made or deleted a branch before it was enrolled. They bring no
	// change that could be tested.
	made  []change
	steps []exception
	draws []recordedDraw
	// register is the newest of the period; nil: there never was one.
	register *recordedRegister
	// enrolments are those from before the period ended, later are those that began after it.
	enrolments, later []enrolment
	histories         []historyRead
	scopes            []scopeReading
	reconciles        []reconcileRecord
	// protections and attested are in the order of the log.
	protections []protectionState
	attested    []attestedBypass
	turns       []turn
	disposals   disposals
}

// wantedKinds are the kinds of the records that a bundle holds whatever they say. Decisions are
// there only if a change rests on them.
func wantedKinds() []string {
	return []string{leafMerge, leafException, leafProtection, leafAttest, leafRegister, leafEnrolment, leafScope, LeafDraw, leafDisposal, leafBackfilled, leafBackfill, leafReconcile, leafRotation, leafGeneration}
}

// wanted says whether the record of a leaf belongs into the bundle of a period. What was recorded
// before the period began is not about a change in it, and what was missing before it not about it.
func (q Query) wanted(l ledger.Leaf) bool {
	switch l.Kind {
	case leafMerge, leafBackfilled:
		return !l.RecordedAt.Before(q.From.Add(-clockSkew))
	case leafReconcile:
		return q.during(l.RecordedAt)
	}
	return slices.Contains(wantedKinds(), l.Kind)
}

// leaf takes the next leaf of the log, with its exact bytes.
func (c *contents) leaf(l ledger.Leaf, raw []byte) error {
	c.hashes = append(c.hashes, c.tree.Append(raw)...)
	c.asOf = l.RecordedAt
	if l.Kind == leafMerge && c.query.wanted(l) && l.RecordedAt.Before(c.query.To) {
		c.room++
	}
	if l.Kind == leafDecision && c.query.during(l.RecordedAt) {
		c.disposals.decided = append(c.disposals.decided, l.Seq)
	}
	if c.after.text == "" && !l.RecordedAt.Before(c.query.To) {
		c.after = afterPeriod{l.Seq, ledger.Checkpoint{Origin: c.origin, Size: c.tree.Size(), Root: c.tree.Root()}.Text()}
	}
	return nil
}

// record takes the record of the next leaf that is wanted; nil: it was disposed of.
func (c *contents) record(l ledger.Leaf, body []byte) error {
	if body == nil {
		c.disposals.gone = append(c.disposals.gone, l)
		return nil
	}
	c.disposals.kept = append(c.disposals.kept, l.Seq)
	switch l.Kind {
	case leafDisposal:
		return c.disposals.certificateOf(l, body)
	case leafMerge:
		if c.changes == nil {
			c.changes = make([]change, 0, c.room)
		}
		found, err := c.changesOf(l, body)
		c.changes = append(c.changes, found...)
		return err
	case leafBackfilled:
		found, err := backfilledOf(l, body, c.query)
		for _, x := range found {
			if x.update.moves() {
				c.changes = append(c.changes, x)
			} else {
				c.made = append(c.made, x)
			}
		}
		return err
	case leafBackfill:
		h, err := historyOf(l, body)
		c.histories = append(c.histories, h)
		return err
	case leafReconcile:
		r, err := reconcileOf(l, body)
		c.reconciles = append(c.reconciles, r)
		return err
	case leafException:
		step, err := exceptionOf(l, body)
		c.steps = append(c.steps, step)
		return err
	case leafRegister:
		return c.registerOf(l, body)
	case leafEnrolment:
		e, err := enrolmentOf(l, body)
		switch {
		case e.at.Before(c.query.To):
			c.enrolments = append(c.enrolments, e)
		case e.State == enrolmentBegun:
			c.later = append(c.later, e)
		}
		return err
	case leafScope:
		s, err := scopeOf(l, body)
		c.scopes = append(c.scopes, s)
		return err
	case leafProtection:
		p, err := protectionOf(l, body)
		c.protections = append(c.protections, p)
		return err
	case leafAttest:
		a, err := attestedOf(l, body)
		c.attested = append(c.attested, a)
		return err
	case leafRotation, leafGeneration:
		t, err := turnOf(l, body)
		c.turns = append(c.turns, t)
		return err
	case LeafDraw:
		d := recordedDraw{leaf: l.Seq, at: l.RecordedAt, body: bytes.Clone(body)}
		if err := json.Unmarshal(body, &d.DrawRecord); err != nil {
			return fmt.Errorf("leaf %d is no draw: %w", l.Seq, err)
		}
		c.draws = append(c.draws, d)
	}
	return nil
}

// draw is the draw that the query asks for, and whether the log has recorded it.
func (c *contents) draw() (body []byte, d DrawRecord, recorded bool, err error) {
	c.settle()
	list := items(c.changes, c.query.Sample.ByClass)
	d, err = newDraw(c.query, list, c.after)
	if err == nil {
		err = d.replace(c.query.Sample.Replace, list, c.changes)
	}
	if err != nil {
		return nil, d, false, err
	}
	body, err = d.encode()
	return body, d, slices.ContainsFunc(c.draws, func(r recordedDraw) bool { return string(r.body) == string(body) }), err
}

// findings is everything that follows from the records alone: what the documents of a bundle say.
type findings struct {
	query        Query
	organisation string
	github       string
	asOf         time.Time // when the newest leaf was recorded: the clock of what is still open
	changes      []change  // the population, sorted
	updates      []*change // the same with what made or deleted a branch before it was enrolled
	byID         map[string]*change
	exceptions   []followed
	draws        []recordedDraw
	disposals    []certificate
	register     *recordedRegister // nil: there is none
	draw         *DrawRecord       // nil: no sample
	drawn        []Drawn
	picked       map[string]bool // ids of what was drawn
	completeness completeness
	digest       string  // of the population
	decisions    []int64 // leaves of the decisions that are in the bundle, in order
	counts       Counts
	log          signedLog
	protections  []protectionState
	attested     []attestedBypass
	rewritten    map[string]bool       // branches
	together     map[int64]int         // changes, by the leaf of the update that brought them
	tallies      map[string]*ruleTally // by rule; nil: not counted yet
	walked       *walked               // nil: not walked yet
	matrix       *controls             // nil: not tested yet
	recorded     recordedDecisions
}

// derive works out what follows from the records. ErrDraw if the draw is not in the log.
func (c *contents) derive(organisation, github string, recorded recordedDecisions) (*findings, error) {
	c.settle()
	list := items(c.changes, c.query.Sample != nil && c.query.Sample.ByClass)
	f := &findings{query: c.query, organisation: organisation, github: github, asOf: c.asOf, changes: c.changes, byID: map[string]*change{}, picked: map[string]bool{}, draws: c.draws, disposals: c.disposals.certificates, register: c.register, digest: Digest(list), recorded: recorded,
		log: signedLog{c.origin, c.tree.Size(), c.tree.Root(), c.asOf, c.hashes}, protections: c.protections, attested: c.attested}
	f.updates = c.updates()
	for i := range c.changes {
		f.byID[c.changes[i].id()] = &c.changes[i]
	}
	f.relate()
	f.exceptions = follow(c.steps, c.query)
	f.completeness = reconcile(c, f.updates, f.exceptions)
	if c.query.Sample != nil {
		_, d, recorded, err := c.draw()
		if err != nil {
			return nil, err
		}
		if !recorded {
			return nil, fmt.Errorf("%w: the log has no record of this draw", ErrDraw)
		}
		if f.drawn, err = Draw(list, d.Seed, d.Sizes); err != nil {
			return nil, err
		}
		f.draw = &d
		f.drawn = d.withReplacements(f.drawn)
		for _, x := range f.drawn {
			f.picked[x.ID] = true
		}
	}
	f.decisions = f.wantedDecisions()
	if err := c.disposals.needed(f.decisions); err != nil {
		return nil, err
	}
	t := f.completeness.Totals
	f.counts = Counts{
		Population: len(c.changes), Sample: f.sampled(), Deviations: t.Deviations, Exceptions: len(f.exceptions), Decisions: len(f.decisions),
		Undecided: t.WithoutDecision, Gaps: t.Gaps, Disposed: c.disposals.records, DisposedDecisions: c.disposals.decisions,
		Unexplained: t.Commits.Unexplained, NotListed: t.Commits.UpdatesNotListed, BeforeInstallation: t.BeforeInstallation, NotRead: t.NotRead,
	}
	return f, nil
}

// shown says whether the change has pages of its own: it is in the sample, or something was found
// about it.
func (f *findings) shown(c change) bool { return f.picked[c.id()] || c.deviates() }

// shownDecisions are the leaves of the decisions to whose blobs a page leads.
func (f *findings) shownDecisions() []int64 { return f.decisionsOf(f.shown) }

// wantedDecisions are the decisions that the changes of the sample rest on, and those about which
// something was found; without a sample, those of all changes.
func (f *findings) wantedDecisions() []int64 {
	return f.decisionsOf(func(c change) bool { return f.draw == nil || f.shown(c) })
}

// decisionsOf are the leaves of the decisions that some changes rest on, in order.
func (f *findings) decisionsOf(wanted func(change) bool) (out []int64) {
	for _, c := range f.changes {
		if wanted(c) {
			out = append(out, c.decisions()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
