package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
)

// PersonItem is something that names one account, as it is held.
type PersonItem struct {
	What string `json:"what"` // "record", "observation" or "payload"
	// Leaf and Kind are a record's, Seq an observation's, DeliveryID a payload's.
	Leaf       int64     `json:"leaf,omitempty"`
	Kind       string    `json:"kind,omitempty"`
	Seq        int64     `json:"seq,omitempty"`
	DeliveryID string    `json:"delivery_id,omitempty"`
	At         time.Time `json:"at"`
	// Body is the record's body, what the event said, or the payload; Decision and Facts are those
	// of a decision.
	Body     json.RawMessage `json:"body"`
	Decision json.RawMessage `json:"decision,omitempty"`
	Facts    json.RawMessage `json:"facts,omitempty"`
}

// person finds an account in JSON: by its numeric id, and by the logins that it was seen with.
type person struct {
	id     string
	logins []string // lower case
}

// idKeys are the fields, beside "id" of an account, that hold an account's id.
var idKeys = []string{"by_id", "actor_id", "caused_by", "involved", "account_id"}

// in says whether an item names the account. What cannot be read may name it, and is an error.
func (p *person) in(i PersonItem) (found bool, err error) {
	for _, text := range []json.RawMessage{i.Body, i.Decision, i.Facts} {
		if len(text) == 0 {
			continue
		}
		if !json.Valid(text) {
			return false, fmt.Errorf("%s cannot be searched: it is not JSON", i)
		}
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return false, fmt.Errorf("%s cannot be searched: %w", i, err)
		}
		found = p.named(v) || found
	}
	return found, nil
}

// String names an item by what it is, and not by what it says.
func (i PersonItem) String() string {
	switch i.What {
	case "record":
		return fmt.Sprintf("the record of leaf %d", i.Leaf)
	case "observation":
		return fmt.Sprintf("observation %d", i.Seq)
	}
	return "the payload of delivery " + i.DeliveryID
}

// ifNamed calls each for an item that names the account.
func (p *person) ifNamed(i PersonItem, each func(PersonItem) error) error {
	found, err := p.in(i)
	if err != nil || !found {
		return err
	}
	return each(i)
}

func (p *person) named(v any) bool {
	found := false
	switch v := v.(type) {
	case map[string]any:
		if login, ok := v["login"].(string); ok && p.is(v["id"]) {
			found = true
			p.learn(login)
		}
		for key, x := range v {
			found = p.named(x) || found || slices.Contains(idKeys, key) && p.is(x)
		}
	case []any:
		for _, x := range v {
			found = p.named(x) || found
		}
	case string:
		return p.mentioned(v)
	}
	return found
}

// is says whether a value is the account's id, or a list that holds it.
func (p *person) is(v any) bool {
	if list, ok := v.([]any); ok {
		return slices.ContainsFunc(list, p.is)
	}
	n, ok := v.(json.Number)
	return ok && n.String() == p.id
}

func (p *person) learn(login string) {
	if login = strings.ToLower(login); login != "" && !slices.Contains(p.logins, login) {
		p.logins = append(p.logins, login)
	}
}

// mentioned says whether a text has one of the logins as a word.
func (p *person) mentioned(text string) bool {
	text = strings.ToLower(text)
	for _, login := range p.logins {
		for from := 0; ; {
			i := strings.Index(text[from:], login)
			if i < 0 {
				break
			}
			i += from
			from = i + len(login)
			if (i == 0 || !inLogin(text[i-1])) && (from == len(text) || !inLogin(text[from])) {
				return true
			}
		}
	}
	return false
}

func inLogin(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' }

// Person calls each for everything that is held and names an account: first what events said, then
// records, then payloads. Logins are learned from what is read, so it is read twice. What cannot be
// searched is an error, and none of what may name the account is passed over.
func (n Tenant) Person(ctx context.Context, id int64, each func(PersonItem) error) error {
	p := &person{id: strconv.FormatInt(id, 10)}
	for _, do := range []func(PersonItem) error{func(PersonItem) error { return nil }, each} {
		for _, read := range []func(context.Context, *person, func(PersonItem) error) error{n.personObservations, n.personRecords, n.personPayloads} {
			if err := read(ctx, p, do); err != nil {
				return fmt.Errorf("store: what is held about account %d in organisation %d: %w", id, n.org, err)
			}
		}
	}
	return nil
}

func (n Tenant) personObservations(ctx context.Context, p *person, each func(PersonItem) error) error {
	return n.Received(ctx, time.Time{}, time.UnixMicro(1<<60), func(o Observation) error {
		if o.Disposed {
			return nil
		}
		return p.ifNamed(PersonItem{What: "observation", Seq: o.Seq, At: o.ReceivedAt, Body: o.Body}, each)
	})
}

const selectAllKept = `SELECT leaf, body, kind FROM log_leaves WHERE org_id = $1 AND body IS NOT NULL ORDER BY leaf_index`

func (n Tenant) personRecords(ctx context.Context, p *person, each func(PersonItem) error) error {
	return n.s.query(ctx, selectAllKept, []any{n.org}, func(scan func(...any) error) error {
		var raw []byte
		i := PersonItem{What: "record"}
		if err := scan(&raw, &i.Body, &i.Kind); err != nil {
			return err
		}
		leaf, err := ledger.DecodeLeaf(raw)
		if err != nil || !disposable[i.Kind] {
			return err
		}
		i.Leaf, i.At = leaf.Seq, leaf.RecordedAt
		if i.Kind == LeafDecision {
			d, err := n.DecisionAt(ctx, leaf.Seq)
			if errors.Is(err, ErrNotFound) {
				return nil // it was disposed of meanwhile
			}
			if err != nil {
				return err
			}
			i.Decision, i.Facts = d.Decision, d.Facts
		}
		return p.ifNamed(i, each)
	})
}

const selectPayloads = `SELECT delivery_id, received_at, payload FROM deliveries WHERE org_id = $1 AND disposed = 0 ORDER BY received_at, delivery_id`

func (n Tenant) personPayloads(ctx context.Context, p *person, each func(PersonItem) error) error {
	return n.s.query(ctx, selectPayloads, []any{n.org}, func(scan func(...any) error) error {
		var at int64
		i := PersonItem{What: "payload"}
		if err := scan(&i.DeliveryID, &at, &i.Body); err != nil {
			return err
		}
		i.At = fromMicros(at)
		return p.ifNamed(i, each)
	})
}

// ErasePerson disposes of every body that names an account, whole, also where it names others, with
// certificates that do not name it. What an open pull request, an exception that is not settled or
// a policy in force needs stays, and so does what a hold covers: Kept says how much.
func (n Tenant) ErasePerson(ctx context.Context, id int64, by Who, why string) (Purged, error) {
	if id <= 0 || !by.known() || strings.TrimSpace(why) == "" {
		return Purged{}, fmt.Errorf("%w: an erasure needs an account, a reason and who asks for it", ErrInvalid)
	}
	var seqs, merges, records []int64
	var payloads []string
	exceptions := map[string]bool{}
	err := n.Person(ctx, id, func(i PersonItem) error {
		if i.Kind == LeafException {
			var e Exception
			err := json.Unmarshal(i.Body, &e)
			exceptions[e.ID] = true
			return err
		}
		switch {
		case i.What == "observation":
			seqs = append(seqs, i.Seq)
		case i.What == "payload":
			payloads = append(payloads, i.DeliveryID)
		case i.Kind == LeafMerge:
			merges = append(merges, i.Leaf)
		default:
			records = append(records, i.Leaf)
		}
		return nil
	})
	if err != nil {
		return Purged{}, err
	}
	// A record of a merge cannot stay without the decisions that it rests on.
	err = n.merges(ctx, func(index int64, rests []int64) {
		if !slices.Contains(merges, index) && slices.ContainsFunc(rests, func(leaf int64) bool { return slices.Contains(records, leaf) }) {
			merges = append(merges, index)
		}
	})
	if err == nil {
		var steps []int64
		steps, err = n.stepsOf(ctx, exceptions)
		records = append(records, steps...)
	}
	slices.Sort(merges)
	slices.Sort(records)
	run := n.newPurge(Purge{Reason: ReasonPerson, Why: why, By: by})
	for _, step := range []func() error{
		func() error {
			return inBatches(seqs, purgeBatch, func(b []int64) error { return run.observations(ctx, b) })
		},
		func() error {
			return inBatches(merges, purgeBatch, func(b []int64) error { return run.records(ctx, b) })
		},
		func() error { return run.workOut(ctx) },
		func() error {
			return inBatches(records, purgeBatch, func(b []int64) error { return run.records(ctx, b) })
		},
		func() error {
			return inBatches(payloads, payloadBatch, func(b []string) error { return run.deliveries(ctx, b) })
		},
	} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return run.Purged, fmt.Errorf("store: erase what names an account of organisation %d: %w", n.org, err)
	}
	return run.Purged, nil
}

// stepsOf are the leaves of exceptions: their steps repeat what those before say, and go together.
func (n Tenant) stepsOf(ctx context.Context, ids map[string]bool) (out []int64, err error) {
	err = n.s.query(ctx, selectStepRows, []any{n.org}, func(scan func(...any) error) error {
		var leaf int64
		var body []byte
		var id string
		err := scan(&leaf, &body, &id)
		if err == nil && ids[id] && body != nil {
			out = append(out, leaf)
		}
		return err
	})
	return out, err
}

func inBatches[T any](list []T, size int, do func([]T) error) error {
	for batch := range slices.Chunk(list, size) {
		if err := do(batch); err != nil {
			return err
		}
	}
	return nil
}
