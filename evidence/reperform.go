package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/policy"
)

// reperformer makes decisions again. Policies and catalogues are few, and read once.
type reperformer struct {
	policies   map[string]*policy.Policy // by digest and repository
	catalogues map[string]*policy.Catalogue
}

// decidedAgain is a decision that was made again, with the facts that it was made from; both nil
// when it could not be.
type decidedAgain struct {
	facts *policy.Facts
	group *policy.GroupFacts
}

// blob reads what a decision was made from, and compares it with its name and with the manifest.
func (v *verifier) blob(digest string) ([]byte, error) {
	if digest == "" {
		return nil, nil
	}
	name := blobs + digest
	content, err := v.archive.read(name, maxBlob)
	if err != nil {
		return nil, err
	}
	if digestOf(content) != digest || int64(len(content)) != v.listed[name].Bytes {
		return nil, broken(name, "its content has another digest than its name")
	}
	return content, nil
}

// recordedDecision reads the body of a decision's leaf.
func (v *verifier) recordedDecision(leaf int64) (d decisionBody, err error) {
	r, ok := v.decided[leaf]
	if !ok {
		return d, broken(fileDecisions, "the decision of leaf %d is missing", leaf)
	}
	if err := json.Unmarshal(r.Body, &d); err != nil {
		return d, broken(fileDecisions, "the record of leaf %d is no decision: %v", leaf, err)
	}
	return d, nil
}

// recordedAlone reads a decision that is in the bundle, for the documents, without what it was made
// from.
func (v *verifier) recordedAlone(leaf int64) (r RecordedDecision, err error) {
	d, err := v.recordedDecision(leaf)
	if err != nil {
		return r, err
	}
	r.Salt, r.Body = v.decided[leaf].Salt, v.decided[leaf].Body
	r.Decision, err = v.blob(d.DecisionSHA256)
	return r, err
}

// recorded reads it with all of that.
func (v *verifier) recorded(leaf int64) (r RecordedDecision, err error) {
	d, err := v.recordedDecision(leaf)
	if err != nil {
		return r, err
	}
	r.Salt, r.Body = v.decided[leaf].Salt, v.decided[leaf].Body
	for _, b := range []struct {
		digest string
		into   *[]byte
	}{{d.DecisionSHA256, &r.Decision}, {d.FactsSHA256, &r.Facts}, {d.PolicySHA256, &r.Policy}, {d.CatalogueSHA256, &r.Catalogue}} {
		if *b.into, err = v.blob(b.digest); err != nil {
			return r, err
		}
	}
	return r, nil
}

// decision makes one decision again from its facts, and compares it byte for byte.
func (v *verifier) decision(leaf int64) (out decidedAgain, err error) {
	d, err := v.recordedDecision(leaf)
	if err != nil {
		return out, err
	}
	for _, digest := range d.digests() {
		v.used[digest] = true
	}
	was, err := v.blob(d.DecisionSHA256)
	if err != nil {
		return out, err
	}
	facts, err := v.blob(d.FactsSHA256)
	if err != nil {
		return out, err
	}
	p, c, err := v.judgedBy(d)
	if err != nil {
		return out, err
	}
	if facts == nil || p == nil || c == nil {
		v.unable(leaf, "it was made without facts, because nothing could be read")
		return out, nil
	}
	again, err := out.judge(p, c, d.Number, facts)
	if err != nil {
		return out, broken(blobs+d.FactsSHA256, "the decision of leaf %d cannot be made again: %v", leaf, err)
	}
	encoded, err := json.Marshal(again)
	switch {
	case err != nil:
		return out, broken(blobs+d.FactsSHA256, "the decision of leaf %d cannot be made again: %v", leaf, err)
	case bytes.Equal(encoded, was):
		v.report.Reperformed++
		return out, nil
	}
	return out, v.differs(leaf, d, was)
}

// judge decides from recorded facts, of a pull request or, without a number, of a merge group.
func (a *decidedAgain) judge(p *policy.Policy, c *policy.Catalogue, number int, facts []byte) (policy.Decision, error) {
	if number == 0 {
		a.group = &policy.GroupFacts{}
		if err := json.Unmarshal(facts, a.group); err != nil {
			return policy.Decision{}, err
		}
		return policy.EvaluateGroup(p, c, a.group), nil
	}
	a.facts = &policy.Facts{}
	if err := json.Unmarshal(facts, a.facts); err != nil {
		return policy.Decision{}, err
	}
	return policy.Evaluate(p, c, a.facts), nil
}

// differs says why a decision came out otherwise: by another engine, which this program does not
// have, or because it does not follow from its facts.
func (v *verifier) differs(leaf int64, d decisionBody, was []byte) error {
	var old struct {
		Engine string `json:"engine"`
	}
	if err := json.Unmarshal(was, &old); err != nil {
		return broken(blobs+d.DecisionSHA256, "it is no decision: %v", err)
	}
	if old.Engine == policy.Engine {
		return broken(blobs+d.DecisionSHA256, "made again from its facts, the decision of leaf %d is another one", leaf)
	}
	v.unable(leaf, fmt.Sprintf("it was made by %s, and this program has %s", old.Engine, policy.Engine))
	return nil
}

// judgedBy reads the policy and the catalogue of a decision; nil: it was made without.
func (v *verifier) judgedBy(d decisionBody) (*policy.Policy, *policy.Catalogue, error) {
	if d.PolicySHA256 == "" || d.CatalogueSHA256 == "" {
		return nil, nil, nil
	}
	key := d.PolicySHA256 + " " + d.Repository
	p, c := v.again.policies[key], v.again.catalogues[d.CatalogueSHA256]
	if p == nil {
		kept, err := v.blob(d.PolicySHA256)
		if err != nil {
			return nil, nil, err
		}
		if p, _, err = policy.ParseKept(kept, d.Repository); err != nil {
			return nil, nil, broken(blobs+d.PolicySHA256, "recorded policy: %v", err)
		}
		v.again.policies[key] = p
	}
	if c == nil {
		src, err := v.blob(d.CatalogueSHA256)
		if err != nil {
			return nil, nil, err
		}
		if c, err = policy.ParseCatalogue(src); err != nil {
			return nil, nil, broken(blobs+d.CatalogueSHA256, "recorded catalogue: %v", err)
		}
		v.again.catalogues[d.CatalogueSHA256] = c
	}
	return p, c, nil
}

func (v *verifier) unable(leaf int64, why string) {
	v.report.NotReperformed = append(v.report.NotReperformed, Unable{leaf, why})
}

// reperform walks over the updates of branches: it makes the decisions about each again, and
// compares the update with them again.
func (v *verifier) reperform() error {
	err := v.archive.lines(fileRecords, func(line []byte) error {
		r, l, err := v.record(fileRecords, line)
		if err != nil || l.Kind != leafMerge {
			return err
		}
		var m mergeBody
		if err := json.Unmarshal(r.Body, &m); err != nil {
			return broken(fileRecords, "the record of leaf %d is no update: %v", r.Index, err)
		}
		whole, err := v.restore(&m.Update)
		if err != nil || !whole {
			return err
		}
		return v.judgedAgain(r.Index, m)
	})
	if err != nil {
		return err
	}
	for _, leaf := range v.findings.decisions {
		if !v.made[leaf] {
			return broken(fileDecisions, "the decision of leaf %d was made again for no update", leaf)
		}
	}
	for name := range v.archive {
		if digest, ok := strings.CutPrefix(name, blobs); ok && !v.used[digest] {
			return broken(name, "no decision of the bundle was made from it")
		}
	}
	v.held("decisions", "%d decisions came out again from their facts, byte for byte; %d could not be made again.", v.report.Reperformed, len(v.report.NotReperformed))
	v.held("updates", "%d updates of branches were compared with the decisions about them again, with the same findings.", v.report.Updates)
	return nil
}

// decideAgain makes a decision again, if it is in the bundle.
func (v *verifier) decideAgain(leaf int64) (out decidedAgain, there bool, err error) {
	if _, there = v.decided[leaf]; !there {
		return out, false, nil
	}
	counted := v.report
	if out, err = v.decision(leaf); err != nil {
		return out, false, err
	}
	if v.made[leaf] {
		v.report = counted // it counts once
		return out, true, nil
	}
	v.made[leaf] = true
	if v.trust.Progress != nil {
		v.trust.Progress(int64(len(v.made)), int64(len(v.findings.decisions)))
	}
	return out, true, nil
}

// restore puts the files that were decided on back into the facts about an update: they are kept
// with the decisions, which are made again on the way. It says false if one of these is not in
// the bundle.
func (v *verifier) restore(u *policy.UpdateFacts) (whole bool, err error) {
	var group decidedAgain
	whole = true
	if u.Group != nil {
		if group, whole, err = v.decideAgain(u.Group.LeafIndex); err != nil {
			return false, err
		}
	}
	for i := range u.Changes.Items {
		c := &u.Changes.Items[i]
		if c.Before != nil {
			before, there, err := v.decideAgain(c.Before.LeafIndex)
			if err != nil {
				return false, err
			}
			whole = whole && there
			if before.facts != nil {
				c.Files = before.facts.Files
			}
		}
		group.files(c)
	}
	return whole, nil
}

// files are those of a member of a merge group.
func (a decidedAgain) files(c *policy.MergedChange) {
	if a.group == nil {
		return
	}
	for _, member := range a.group.Members.Items {
		if member.Number == c.Number && member.HeadSHA == c.HeadSHA && member.Facts != nil {
			c.Files = member.Facts.Files
		}
	}
}

// judgedAgain compares an update with the decisions about it again.
func (v *verifier) judgedAgain(leaf int64, m mergeBody) error {
	if m.Catalogue != policy.Builtin().Revision() {
		v.unable(leaf, fmt.Sprintf("the update was judged with revision %.40q of the agent catalogue, and this program has %q", m.Catalogue, policy.Builtin().Revision()))
		return nil
	}
	again := policy.JudgeUpdate(policy.Builtin(), &m.Update)
	if !slices.Equal(again, m.Findings) {
		return broken(fileRecords, "judged again, the update of leaf %d gives %+v, and %+v was recorded", leaf, again, m.Findings)
	}
	v.report.Updates++
	return nil
}
