package evidence

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
)

// turn is a leaf that begins a term: with another key, or with another name after an old copy of
// the database was restored. One of both is set.
type turn struct {
	leaf     int64
	handover *ledger.Handover
	restored *restored
}

// restored is the body of the leaf with which a log goes on under another name, as far as it is read
// here.
type restored struct {
	Origin         string    `json:"origin"` // from this leaf on
	Before         string    `json:"before"`
	LastCheckpoint string    `json:"last_checkpoint"` // that is known of the name before, exact text
	LastSize       int64     `json:"last_size"`
	Size           int64     `json:"size"` // leaves that are there of those before
	LostFrom       time.Time `json:"lost_from"`
	LostTo         time.Time `json:"lost_to"`
}

// turnOf reads the record of a leaf that begins a term. Both keys of a handover signed it.
func turnOf(l ledger.Leaf, body []byte) (turn, error) {
	t := turn{leaf: l.Seq}
	var err error
	switch l.Kind {
	case leafRotation:
		var b struct {
			Handover string `json:"handover"`
		}
		var h ledger.Handover
		if err = json.Unmarshal(body, &b); err == nil {
			h, err = ledger.ParseHandover([]byte(b.Handover))
		}
		t.handover = &h
	case leafGeneration:
		t.restored = &restored{}
		err = json.Unmarshal(body, t.restored)
	}
	if err != nil {
		return t, fmt.Errorf("leaf %d begins no term of the log: %w", l.Seq, err)
	}
	return t, nil
}

// before is the term that a turn ended, when is is the one that it began.
func (t turn) before(is ledger.Term) (ledger.Term, error) {
	if h := t.handover; h != nil {
		if h.Origin != is.Origin || h.New != is.Public || h.Size != t.leaf {
			return ledger.Term{}, fmt.Errorf("leaf %d does not hand the log %s over to the key %s", t.leaf, is.Origin, is.Public)
		}
		return ledger.Term{Origin: h.Origin, Public: h.Old}, nil
	}
	if r := t.restored; r.Origin != is.Origin || r.Size != t.leaf || r.Before == r.Origin {
		return ledger.Term{}, fmt.Errorf("leaf %d does not let the log go on as %s", t.leaf, is.Origin)
	}
	return ledger.Term{Origin: t.restored.Before, Public: is.Public}, nil
}

// lineage is which names and keys a log had, one after another, oldest first.
type lineage struct {
	terms ledger.Terms
	turns []turn // terms[i+1] begins with turns[i]
}

// lineageOf follows the turns back from the name and the key that the log has now.
func lineageOf(turns []turn, origin, public string) (lineage, error) {
	l := lineage{terms: ledger.Terms{{Leaf: -1, Origin: origin, Public: public}}, turns: turns}
	for _, t := range slices.Backward(turns) {
		is := &l.terms[len(l.terms)-1]
		was, err := t.before(*is)
		if err != nil {
			return l, err
		}
		is.Leaf, was.Leaf = t.leaf, -1
		l.terms = append(l.terms, was)
	}
	slices.Reverse(l.terms)
	for i, t := range turns {
		if err := l.checkLast(i, t); err != nil {
			return l, err
		}
	}
	return l, nil
}

// checkLast checks the last checkpoint that is known of a name, which a key of that name signed.
func (l lineage) checkLast(i int, t turn) error {
	if t.restored == nil {
		return nil
	}
	known, _, err := l.terms[:i+1].Open([]byte(t.restored.LastCheckpoint), t.restored.Before)
	if err != nil || known.Size != t.restored.LastSize {
		return fmt.Errorf("leaf %d: the last checkpoint under the name before it, of %d leaves, does not hold: %v", t.leaf, t.restored.LastSize, err)
	}
	return nil
}

// had says whether the log ever had a key.
func (l lineage) had(public string) bool {
	return slices.ContainsFunc(l.terms, func(m ledger.Term) bool { return m.Public == public })
}

// called says whether the log ever had a name.
func (l lineage) called(origin string) bool {
	return slices.ContainsFunc(l.terms, func(m ledger.Term) bool { return m.Origin == origin })
}

// ended is the turn that ended a name of the log; nil: it has the name still, or never had it.
func (l lineage) ended(origin string) *turn {
	for i := range l.turns {
		if r := l.turns[i].restored; r != nil && r.Before == origin {
			return &l.turns[i]
		}
	}
	return nil
}

// Restored is a time at which a log went on under another name, because an old copy of the database
// was restored.
type Restored struct {
	Leaf   int64  `json:"leaf"` // that says so
	Before string `json:"before"`
	Origin string `json:"origin"` // from that leaf on
	// LastSize is how many leaves were known of the name before, and Size how many are there.
	LastSize int64 `json:"last_size"`
	Size     int64 `json:"size"`
	// What was recorded from LostFrom to LostTo may be missing.
	LostFrom time.Time `json:"lost_from"`
	LostTo   time.Time `json:"lost_to"`
}

func (t turn) whenRestored() Restored {
	r := t.restored
	return Restored{t.leaf, r.Before, r.Origin, r.LastSize, r.Size, r.LostFrom, r.LostTo}
}

// restoredWithin are the times at which leaves of the period were lost.
func restoredWithin(turns []turn, q Query) (out []Restored) {
	for _, t := range turns {
		if r := t.restored; r != nil && r.LostFrom.Before(q.To) && !r.LostTo.Before(q.From) {
			out = append(out, t.whenRestored())
		}
	}
	return out
}

// terms follows the log's names and keys through its leaves, and says whether its key is to be
// believed: it is the auditor's, or the log was handed over from the auditor's to it.
func (v *verifier) terms() error {
	turns, err := v.turns()
	if err != nil {
		return err
	}
	if v.lineage, err = lineageOf(turns, v.report.Manifest.Origin, v.public); err != nil {
		return broken(fileRecords, "%v", err)
	}
	for _, t := range turns {
		if h := t.handover; h != nil {
			v.held("handover", "Leaf %d hands the log over from the key %s to the key %s, and both signed it.", t.leaf, h.Old, h.New)
		} else {
			r := t.whenRestored()
			v.report.Restored = append(v.report.Restored, r)
			v.held("restored", "Leaf %d says that an old copy was restored: the log is called %s from there on; %d leaves were known of %s, and %d are there. What was recorded between %s and %s may be missing.", t.leaf, r.Origin, r.LastSize, r.Before, r.Size, moment(r.LostFrom), moment(r.LostTo))
		}
	}
	key := strings.TrimSpace(v.trust.Key)
	v.report.SelfAsserted, v.report.Key = key == "", cmp.Or(key, v.public)
	if key != "" && !v.lineage.had(key) {
		return broken(fileKey, "the bundle names another key than yours, and its log was not handed over from yours to it")
	}
	return nil
}

// turns reads the records of the leaves that begin terms. They are few, and mostly there are none.
func (v *verifier) turns() (turns []turn, err error) {
	begins := map[int64]bool{}
	for _, l := range v.leaves {
		if l.Kind == leafRotation || l.Kind == leafGeneration {
			begins[l.Seq] = true
		}
	}
	if len(begins) == 0 {
		return nil, nil
	}
	err = v.archive.lines(fileRecords, func(line []byte) error {
		if !begins[indexOf(line)] {
			return nil
		}
		r, l, err := v.record(fileRecords, line)
		if err != nil {
			return err
		}
		t, err := turnOf(l, r.Body)
		turns = append(turns, t)
		return err
	})
	if err == nil && len(turns) != len(begins) {
		err = broken(fileRecords, "%d leaves say which names and keys the log had, and the records of %d are there", len(begins), len(turns))
	}
	return turns, err
}
