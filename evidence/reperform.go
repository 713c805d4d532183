package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/countersign/countersign/policy"
)

// reperformer makes decisions again. Policies and catalogues are few, and read once.
type reperformer struct {
	policies   map[string]*policy.Policy // by digest and repository
	catalogues map[string]*policy.Catalogue
}

func (r *reperformer) policy(digest, repository string, kept []byte) (*policy.Policy, error) {
	key := digest + " " + repository
	if p := r.policies[key]; p != nil {
		return p, nil
	}
	p, _, err := policy.ParseKept(kept, repository)
	if err != nil {
		return nil, fmt.Errorf("recorded policy: %w", err)
	}
	if r.policies == nil {
		r.policies = map[string]*policy.Policy{}
	}
	r.policies[key] = p
	return p, nil
}

func (r *reperformer) catalogue(digest string, src []byte) (*policy.Catalogue, error) {
	if c := r.catalogues[digest]; c != nil {
		return c, nil
	}
	c, err := policy.ParseCatalogue(src)
	if err != nil {
		return nil, fmt.Errorf("recorded catalogue: %w", err)
	}
	if r.catalogues == nil {
		r.catalogues = map[string]*policy.Catalogue{}
	}
	r.catalogues[digest] = c
	return c, nil
}

// blob reads what a decision was made from.
func (v *verifier) blob(digest string) ([]byte, error) {
	if digest == "" {
		return nil, nil
	}
	content, err := v.archive.read(blobs+digest, maxBlob)
	if err != nil {
		return nil, err
	}
	if digestOf(content) != digest {
		return nil, broken(blobs+digest, "its content has another digest than its name")
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

// recorded reads a decision that is in the bundle, for the documents.
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

// decision makes one decision again from its facts.
func (v *verifier) decision(leaf int64, used map[string]bool) error {
	d, err := v.recordedDecision(leaf)
	if err != nil {
		return err
	}
	r, err := v.recorded(leaf)
	if err != nil {
		return err
	}
	for _, digest := range d.digests() {
		used[digest] = true
	}
	was, facts, kept, agents := r.Decision, r.Facts, r.Policy, r.Catalogue
	if facts == nil || kept == nil || agents == nil {
		v.unable(leaf, "it was made without facts, because nothing could be read")
		return nil
	}
	var old struct {
		Engine     string `json:"engine"`
		Repository string `json:"repository"`
	}
	if err := json.Unmarshal(was, &old); err != nil {
		return broken(blobs+d.DecisionSHA256, "it is no decision: %v", err)
	}
	if old.Engine != policy.Engine {
		v.unable(leaf, fmt.Sprintf("it was made by %s, and this program has %s", old.Engine, policy.Engine))
		return nil
	}
	p, err := v.again.policy(d.PolicySHA256, old.Repository, kept)
	if err != nil {
		return broken(blobs+d.PolicySHA256, "%v", err)
	}
	c, err := v.again.catalogue(d.CatalogueSHA256, agents)
	if err != nil {
		return broken(blobs+d.CatalogueSHA256, "%v", err)
	}
	again, err := policy.EvaluateRecorded(p, c, facts)
	if err != nil {
		return broken(blobs+d.FactsSHA256, "the decision of leaf %d cannot be made again: %v", leaf, err)
	}
	if encoded, err := json.Marshal(again); err != nil || !bytes.Equal(encoded, was) {
		return broken(blobs+d.DecisionSHA256, "made again from its facts, the decision of leaf %d is another one", leaf)
	}
	v.report.Reperformed++
	return nil
}

func (v *verifier) unable(leaf int64, why string) {
	v.report.NotReperformed = append(v.report.NotReperformed, Unable{leaf, why})
}

// updates judges again every update whose decisions are in the bundle.
func (v *verifier) updates() error {
	err := v.archive.lines(fileRecords, func(line []byte) error {
		r, l, err := v.record(fileRecords, line)
		if err != nil || l.Kind != leafMerge {
			return err
		}
		return v.judgedAgain(r)
	})
	if err != nil {
		return err
	}
	v.held("updates", "%d updates of branches were compared with the decisions about them again, with the same findings.", v.report.Updates)
	return nil
}

func (v *verifier) judgedAgain(r recordLine) error {
	var m mergeBody
	if err := json.Unmarshal(r.Body, &m); err != nil {
		return broken(fileRecords, "the record of leaf %d is no update: %v", r.Index, err)
	}
	whole, err := v.restore(&m.Update)
	if err != nil || !whole {
		return err
	}
	if m.Catalogue != policy.Builtin().Revision() {
		v.unable(r.Index, fmt.Sprintf("the update was judged with revision %.40q of the agent catalogue, and this program has %q", m.Catalogue, policy.Builtin().Revision()))
		return nil
	}
	again := policy.JudgeUpdate(policy.Builtin(), &m.Update)
	if !slices.Equal(again, m.Findings) {
		return broken(fileRecords, "judged again, the update of leaf %d gives %+v, and %+v was recorded", r.Index, again, m.Findings)
	}
	v.report.Updates++
	return nil
}

// restore puts the files that were decided on back into the facts about an update: they are kept
// with the decisions. It says false if one of these is not in the bundle.
func (v *verifier) restore(u *policy.UpdateFacts) (whole bool, err error) {
	var group policy.GroupFacts
	if u.Group != nil {
		if whole, err := v.factsOf(u.Group.LeafIndex, &group); err != nil || !whole {
			return false, err
		}
	}
	for i := range u.Changes.Items {
		c := &u.Changes.Items[i]
		if c.Before != nil {
			var f policy.Facts
			if whole, err := v.factsOf(c.Before.LeafIndex, &f); err != nil || !whole {
				return false, err
			}
			c.Files = f.Files
		}
		for _, member := range group.Members.Items {
			if member.Number == c.Number && member.HeadSHA == c.HeadSHA && member.Facts != nil {
				c.Files = member.Facts.Files
			}
		}
	}
	return true, nil
}

// factsOf reads the facts of a decision, if they are in the bundle.
func (v *verifier) factsOf(leaf int64, into any) (there bool, err error) {
	if _, ok := v.decided[leaf]; !ok {
		return false, nil
	}
	d, err := v.recordedDecision(leaf)
	if err != nil || d.FactsSHA256 == "" {
		return err == nil, err
	}
	facts, err := v.blob(d.FactsSHA256)
	if err != nil {
		return false, err
	}
	return true, orBroken(blobs+d.FactsSHA256, json.Unmarshal(facts, into))
}
