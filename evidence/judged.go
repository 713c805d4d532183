package evidence

import (
	"encoding/json"
	"fmt"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

// judged is a decision that a change rests on, with what it was made from.
type judged struct {
	leaf     int64
	digest   string // of the record, with its salt
	body     decisionBody
	decision policy.Decision
	facts    *policy.Facts      // nil: it was made without, or it is about a merge group
	group    *policy.GroupFacts // of a merge group; else nil
}

// judged reads a decision that is in the bundle.
func (f *findings) judged(leaf int64) (j judged, err error) {
	r, err := f.recorded.whole(leaf)
	if err != nil {
		return j, fmt.Errorf("decision of leaf %d: %w", leaf, err)
	}
	if len(r.Salt) != ledger.SaltSize {
		return j, fmt.Errorf("the record of leaf %d was disposed of", leaf)
	}
	j.leaf, j.digest = leaf, ledger.BodyDigest([ledger.SaltSize]byte(r.Salt), r.Body)
	if err := json.Unmarshal(r.Body, &j.body); err != nil {
		return j, fmt.Errorf("record of leaf %d: %w", leaf, err)
	}
	if err := json.Unmarshal(r.Decision, &j.decision); err != nil {
		return j, fmt.Errorf("decision of leaf %d: %w", leaf, err)
	}
	switch {
	case r.Facts == nil:
	case j.decision.Members != nil:
		err = json.Unmarshal(r.Facts, &j.group)
	default:
		err = json.Unmarshal(r.Facts, &j.facts)
	}
	if err != nil {
		return j, fmt.Errorf("facts of the decision of leaf %d: %w", leaf, err)
	}
	return j, nil
}
