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
	merge      func(body []byte) (*mergeBody, error)
	decision   func(body []byte) (*decisionBody, error)
	facts      func(blob []byte) (*policy.Facts, error)
	group      func(blob []byte) (*policy.GroupFacts, error)
	// was and from hold a decision and its facts while it is made again, and is holds what came out.
	was, from, is bytes.Buffer
}

func newReperformer() *reperformer {
	return &reperformer{
		policies: map[string]*policy.Policy{}, catalogues: map[string]*policy.Catalogue{},
		merge: quickly[mergeBody](), decision: quickly[decisionBody](), facts: quickly[policy.Facts](), group: quickly[policy.GroupFacts](),
	}
}

// encode is what json.Marshal makes of a decision, until the next one is encoded.
func (r *reperformer) encode(d policy.Decision) ([]byte, error) {
	r.is.Reset()
	err := json.NewEncoder(&r.is).Encode(d)
	return bytes.TrimSuffix(r.is.Bytes(), []byte("\n")), err
}

// decidedAgain is a decision that was made again, with the facts that it was made from; both nil
// when it could not be.
type decidedAgain struct {
	facts *policy.Facts
	group *policy.GroupFacts
}

// blob reads what a decision was made from, and compares it with its digest and with the manifest.
func (v *verifier) blob(digest string) ([]byte, error) {
	return v.blobInto(new(bytes.Buffer), digest)
}

// blobInto is blob into a buffer, which is emptied first and holds what is returned.
func (v *verifier) blobInto(b *bytes.Buffer, digest string) ([]byte, error) {
	if v.archive[blobs+digest] == nil {
		if content, err := v.packed.read(b, digest); content != nil || err != nil {
			return content, err
		}
	}
	return v.filedInto(b, digest)
}

// filedInto reads a blob that must be a file of its own: a page leads to it.
func (v *verifier) filedInto(b *bytes.Buffer, digest string) ([]byte, error) {
	if digest == "" {
		return nil, nil
	}
	name := blobs + digest
	content, err := v.archive.readInto(b, name, maxBlob)
	if err != nil {
		return nil, err
	}
	in := v.archive[name]
	if digestOf(content) != digest || int64(len(content)) != in.listed.Bytes {
		return nil, broken(name, "its content has another digest than its name")
	}
	in.used = true
	return content, nil
}

// whereIs is the file that holds a blob.
func (v *verifier) whereIs(digest string) string {
	if pack := v.packed.holding(digest); pack != "" && v.archive[blobs+digest] == nil {
		return pack
	}
	return blobs + digest
}

// filed is filedInto for what is read once.
func (v *verifier) filed(digest string) ([]byte, error) {
	return v.filedInto(new(bytes.Buffer), digest)
}

// recordedDecision reads the body of a decision's leaf.
func (v *verifier) recordedDecision(leaf int64) (*decided, *decisionBody, error) {
	r := v.decidedAt(leaf)
	if r == nil {
		return nil, nil, broken(fileDecisions, "the decision of leaf %d is missing", leaf)
	}
	d, err := v.again.decision(r.body)
	if err != nil {
		return nil, nil, broken(fileDecisions, "the record of leaf %d is no decision: %v", leaf, err)
	}
	return r, d, nil
}

// counted returns what gives what the documents count of a decision that is in the bundle. One that
// came out again says what it said, and is not read once more.
func (v *verifier) counted() func(leaf int64) (*counted, error) {
	alone := v.alike.read(v.recordedAlone)
	return func(leaf int64) (*counted, error) {
		if r := v.decidedAt(leaf); r != nil && r.counted != nil {
			return r.counted, nil
		}
		return alone(leaf)
	}
}

// recordedAlone reads a decision that is in the bundle, without what it was made from.
func (v *verifier) recordedAlone(leaf int64) (r RecordedDecision, err error) {
	record, d, err := v.recordedDecision(leaf)
	if err != nil {
		return r, err
	}
	r.Salt, r.Body = record.salt[:], record.body
	r.Decision, err = v.blob(d.DecisionSHA256)
	return r, err
}

// recorded reads it with all of that.
func (v *verifier) recorded(leaf int64) (r RecordedDecision, err error) {
	record, d, err := v.recordedDecision(leaf)
	if err != nil {
		return r, err
	}
	r.Salt, r.Body = record.salt[:], record.body
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
	r, d, err := v.recordedDecision(leaf)
	if err != nil {
		return out, err
	}
	read := v.blobInto
	if _, shown := slices.BinarySearch(v.shown, leaf); shown {
		read = v.filedInto
	}
	was, err := read(&v.again.was, d.DecisionSHA256)
	if err != nil {
		return out, err
	}
	facts, err := read(&v.again.from, d.FactsSHA256)
	if err != nil {
		return out, err
	}
	p, c, err := v.judgedBy(d)
	if err != nil {
		return out, err
	}
	if d.FactsSHA256 == "" || p == nil || c == nil {
		v.unable(leaf, "it was made without facts, because nothing could be read")
		return out, nil
	}
	again, err := v.again.judge(&out, p, c, d.Number, facts)
	if err != nil {
		return out, broken(v.whereIs(d.FactsSHA256), "the decision of leaf %d cannot be made again: %v", leaf, err)
	}
	encoded, err := v.again.encode(again)
	switch {
	case err != nil:
		return out, broken(v.whereIs(d.FactsSHA256), "the decision of leaf %d cannot be made again: %v", leaf, err)
	case bytes.Equal(encoded, was):
		v.report.Reperformed++
		r.counted = v.alike.of(d.PolicySHA256, &again) // JSON changes no text: facts and policies are UTF-8
		return out, nil
	}
	return out, v.differs(leaf, d, was)
}

// judge decides from recorded facts, of a pull request or, without a number, of a merge group.
func (r *reperformer) judge(out *decidedAgain, p *policy.Policy, c *policy.Catalogue, number int, facts []byte) (d policy.Decision, err error) {
	if number == 0 {
		if out.group, err = r.group(facts); err == nil {
			d = policy.EvaluateGroup(p, c, out.group)
		}
		return d, err
	}
	if out.facts, err = r.facts(facts); err == nil {
		d = policy.Evaluate(p, c, out.facts)
	}
	return d, err
}

// differs says why a decision came out otherwise: by another engine, which this program does not
// have, or because it does not follow from its facts.
func (v *verifier) differs(leaf int64, d *decisionBody, was []byte) error {
	var old struct {
		Engine string `json:"engine"`
	}
	if err := json.Unmarshal(was, &old); err != nil {
		return broken(v.whereIs(d.DecisionSHA256), "it is no decision: %v", err)
	}
	if old.Engine == policy.Engine {
		return broken(v.whereIs(d.DecisionSHA256), "made again from its facts, the decision of leaf %d is another one", leaf)
	}
	v.unable(leaf, fmt.Sprintf("it was made by %s, and this program has %s", old.Engine, policy.Engine))
	return nil
}

// judgedBy reads the policy and the catalogue of a decision; nil: it was made without.
func (v *verifier) judgedBy(d *decisionBody) (*policy.Policy, *policy.Catalogue, error) {
	if d.PolicySHA256 == "" || d.CatalogueSHA256 == "" {
		_, err := v.filed(d.PolicySHA256) // what there is belongs to the decision all the same
		if err == nil {
			_, err = v.filed(d.CatalogueSHA256)
		}
		return nil, nil, err
	}
	key := d.PolicySHA256 + " " + d.Repository
	p, c := v.again.policies[key], v.again.catalogues[d.CatalogueSHA256]
	if p == nil {
		kept, err := v.filed(d.PolicySHA256)
		if err != nil {
			return nil, nil, err
		}
		if p, _, err = policy.ParseKept(kept, d.Repository); err != nil {
			return nil, nil, broken(blobs+d.PolicySHA256, "recorded policy: %v", err)
		}
		v.again.policies[key] = p
	}
	if c == nil {
		src, err := v.filed(d.CatalogueSHA256)
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
		m, err := v.again.merge(r.Body)
		if err != nil {
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
	for i, leaf := range v.findings.decisions {
		if !v.decided[i].made {
			return broken(fileDecisions, "the decision of leaf %d was made again for no update", leaf)
		}
	}
	for name, in := range v.archive {
		if strings.HasPrefix(name, blobs) && !in.used {
			return broken(name, "no decision of the bundle was made from it")
		}
	}
	err = v.packed.settle(func(digest string) bool {
		in := v.archive[blobs+digest]
		return in != nil && in.used
	})
	if err != nil {
		return err
	}
	v.held("files", "All %d files (%d bytes) have the digests of the manifest, and there are no others.", len(v.report.Manifest.Files), v.bytes)
	v.held("decisions", "%d decisions came out again from their facts, byte for byte; %d could not be made again.", v.report.Reperformed, len(v.report.NotReperformed))
	v.held("updates", "%d updates of branches were compared with the decisions about them again, with the same findings.", v.report.Updates)
	return nil
}

// decideAgain makes a decision again, if it is in the bundle.
func (v *verifier) decideAgain(leaf int64) (out decidedAgain, there bool, err error) {
	r := v.decidedAt(leaf)
	if r == nil {
		return out, false, nil
	}
	counted := v.report
	if out, err = v.decision(leaf); err != nil {
		return out, false, err
	}
	if r.made {
		v.report = counted // it counts once
		return out, true, nil
	}
	r.made = true
	v.made++
	if v.trust.Progress != nil {
		v.trust.Progress(int64(v.made), int64(len(v.findings.decisions)))
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
func (v *verifier) judgedAgain(leaf int64, m *mergeBody) error {
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
