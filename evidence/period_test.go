package evidence

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/policy"
)

var rewrite = flag.Bool("update", false, "write the golden files")

// golden compares with a file of testdata/evidence, which -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("../testdata/evidence", name)
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// Days of the period that the tests are about.
func day(n int) time.Time { return time.Date(2026, 11, n, 12, 0, 0, 0, time.UTC) }

// period is a log that grows: every record is one that the program would have made, judged by the
// real policy.
type period struct {
	t         *testing.T
	contents  contents
	decisions map[int64]RecordedDecision
	policy    string
	base      []byte // facts of the base of testdata/policy
	now       time.Time
	updates   int64
	tip       string
}

func newPeriod(t *testing.T, sample *SampleQuery) *period {
	t.Helper()
	a, err := txtar.ParseFile("../testdata/policy/base/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	p := &period{t: t, decisions: map[int64]RecordedDecision{}, now: day(2), tip: "b0"}
	for _, f := range a.Files {
		switch f.Name {
		case "policy.yml":
			p.policy = string(f.Data)
		case "facts.json":
			p.base = f.Data
		}
	}
	q := Query{From: day(1), To: day(30), Sample: sample}
	p.contents = contents{origin: "countersign.test/1", query: q}
	return p
}

func (p *period) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *period) encode(v any) []byte {
	p.t.Helper()
	b, err := json.Marshal(v)
	p.must(err)
	return b
}

// record adds a record to the log and returns its leaf.
func (p *period) record(kind string, body []byte) int64 {
	p.t.Helper()
	p.now = p.now.Add(time.Second)
	l := ledger.Leaf{V: ledger.LeafVersion, Kind: kind, Seq: p.contents.tree.Size(), RecordedAt: p.now, BodySHA256: digestOf(body)}
	raw, err := l.Encode()
	p.must(err)
	p.must(p.contents.leaf(l, raw))
	if p.contents.query.wanted(l) && kind != leafDecision {
		p.must(p.contents.record(l, body))
	}
	return l.Seq
}

// facts are those of the base, for another pull request, with a change.
func (p *period) facts(number int, change func(*policy.Facts)) *policy.Facts {
	p.t.Helper()
	f := &policy.Facts{}
	p.must(json.Unmarshal(p.base, f))
	f.Change.Number = number
	if change != nil {
		change(f)
	}
	return f
}

// decide records the decision about facts.
func (p *period) decide(f *policy.Facts) *policy.PriorDecision {
	p.t.Helper()
	parsed, err := policy.Parse([]byte(p.policy))
	p.must(err)
	d := policy.Evaluate(parsed, policy.Builtin(), f)
	return p.keep(d, p.encode(f))
}

// keep records a decision with its facts.
func (p *period) keep(d policy.Decision, facts []byte) *policy.PriorDecision {
	p.t.Helper()
	r := RecordedDecision{Salt: make([]byte, ledger.SaltSize), Decision: p.encode(d), Facts: facts, Policy: []byte(p.policy), Catalogue: policy.Builtin().Bytes()}
	r.Body = p.encode(decisionBody{FactsSHA256: digestOf(r.Facts), PolicySHA256: digestOf(r.Policy), CatalogueSHA256: "catalogue", DecisionSHA256: digestOf(r.Decision)})
	leaf := p.record(leafDecision, r.Body)
	p.decisions[leaf] = r
	return &policy.PriorDecision{
		RecordID: "record-" + number64(leaf), LeafIndex: leaf, RecordedAt: p.now, Verdict: d.Verdict, Mode: d.Mode, GoverningRef: d.GoverningRef,
		Members: d.Members, Class: d.Authorship.Class, Agents: d.Authorship.Agents, Measures: policy.MeasuresOf(d, r.Facts, r.Catalogue),
	}
}

// undecided records that nothing could be read.
func (p *period) undecided(number int) *policy.PriorDecision {
	p.t.Helper()
	s := policy.Subject{RepositoryID: 1, Repository: "acme/shop", Number: number, HeadSHA: "a111111111111111111111111111111111111111", BaseRef: "main", GoverningRef: "main"}
	return p.keep(policy.Undecided(s, "GitHub's API did not answer.", true), nil)
}

// merged is a pull request with the decision that preceded its merge.
func merged(number int, before *policy.PriorDecision) policy.MergedChange {
	files := policy.List[policy.File]{Complete: true, Items: []policy.File{{Path: "prices/round.go", Status: "modified", Blob: "d000000000000000000000000000000000000000", Additions: 3, Deletions: 1}}}
	return policy.MergedChange{Number: number, HeadSHA: "a111111111111111111111111111111111111111", Before: before, Files: files}
}

// update records an update of main that brought changes.
func (p *period) update(kind string, changes []policy.MergedChange, change func(*policy.UpdateFacts)) {
	p.t.Helper()
	p.updates++
	u := policy.UpdateFacts{
		V: policy.UpdateVersion, RepositoryID: 1, Repository: "acme/shop", Ref: "main", Mode: policy.ModeEnforce, ID: 500 + p.updates, Type: kind,
		Before: p.tip, After: "b" + number64(p.updates), At: p.now, Actor: policy.Actor{ID: 103, Login: "carol", Type: policy.TypeUser}, Seq: 900 + p.updates,
		Descends: policy.Yes, Changes: policy.List[policy.MergedChange]{Items: changes, Complete: true},
	}
	if len(changes) > 0 {
		u.Files = changes[0].Files
	}
	if change != nil {
		change(&u)
	}
	p.tip = u.After
	p.record(leafMerge, p.encode(mergeBody{Update: u, Findings: policy.JudgeUpdate(policy.Builtin(), &u), Catalogue: policy.Builtin().Revision()}))
}

// exception records a step of an exception.
func (p *period) exception(e exception) {
	p.t.Helper()
	e.RepoID, e.Repository, e.Ref = 1, "acme/shop", "main"
	e.Severity = "high"
	if e.State == "" {
		e.State, e.Step = "open", "opened"
	}
	p.record(leafException, p.encode(e))
}

// findings is what follows from the records.
func (p *period) findings() *findings {
	p.t.Helper()
	if p.contents.query.Sample != nil {
		body, _, recorded, err := p.contents.draw()
		p.must(err)
		if !recorded {
			p.record(LeafDraw, body)
		}
	}
	recorded := func(leaf int64) (RecordedDecision, error) { return p.decisions[leaf], nil }
	f, err := p.contents.derive("acme", "https://github.com", recordedDecisions{recorded, counting{}.read(recorded)})
	p.must(err)
	return f
}

// document makes one document of a bundle.
func (p *period) document(f *findings, name string) []byte {
	p.t.Helper()
	for _, d := range f.documents() {
		if d.name == name {
			b, err := d.make()
			p.must(err)
			return b
		}
	}
	for _, d := range f.streamed() {
		if d.name == name {
			var b bytes.Buffer
			p.must(d.write(&b))
			return b.Bytes()
		}
	}
	p.t.Fatalf("there is no document %s", name)
	return nil
}

// month is a period in which something of every kind happened.
func month(t *testing.T, sample *SampleQuery) *period {
	p := newPeriod(t, sample)
	one := func(number int, change func(*policy.Facts)) {
		p.now = p.now.Add(20 * time.Hour)
		p.update(policy.UpdateMerge, []policy.MergedChange{merged(number, p.decide(p.facts(number, change)))}, nil)
	}
	one(7, func(f *policy.Facts) { f.Change.ReadyAt = f.Change.CreatedAt })
	one(8, func(f *policy.Facts) { f.Reviews.Items = nil })
	one(9, func(f *policy.Facts) { f.Validations.Items[0].Conclusion = "failure" })
	one(10, byDave)
	one(16, func(f *policy.Facts) {
		byDave(f)
		f.Commits.Items[0].Trailers = []policy.Trailer{{Key: "Co-Authored-By", Value: "Claude <noreply@anthropic.com>"}}
	})
	one(17, func(f *policy.Facts) {
		byDave(f)
		f.Change.Author = policy.Actor{ID: 49699333, Login: "dependabot", Type: policy.TypeBot}
		f.Pushes[0].Pusher = f.Change.Author
		f.Commits.Items[0].Author = policy.Identity{Name: "dependabot[bot]", Email: "49699333+dependabot[bot]@users.noreply.github.com", Account: f.Change.Author}
	})
	p.now = p.now.Add(20 * time.Hour)
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(11, nil)}, nil)
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(12, p.undecided(12))}, nil)
	p.update(policy.UpdatePush, nil, func(u *policy.UpdateFacts) { u.Actor = policy.Actor{ID: 104, Login: "dave", Type: policy.TypeUser} })
	p.exception(exception{ID: "direct", Kind: policy.FindingDirectPush, SHA: p.tip, OpenedAt: p.now, DueAt: p.now.Add(24 * time.Hour), Reason: "dave pushed to main directly."})
	p.emergency(13, "in-time", 3*time.Hour)
	p.emergency(14, "late", 30*time.Hour)
	p.emergency(15, "open", 0)
	p.now = day(30)
	p.record("observations", []byte("{}")) // the log went on
	return p
}

// byDave makes facts those of a person's change.
func byDave(f *policy.Facts) {
	dave := policy.Actor{ID: 104, Login: "dave", Type: policy.TypeUser}
	f.Change.Author, f.Change.HeadRef, f.Change.Title = dave, "dave/prices", "Round prices half up"
	f.Pushes[0].Pusher = dave
	f.Assignments.Items = nil
	c := &f.Commits.Items[0]
	c.Trailers, c.CoAuthors = nil, nil
	c.Author = policy.Identity{Name: "dave", Email: "104+dave@users.noreply.github.com", Account: dave}
}

// emergency merges a change that an emergency released, and has it reviewed after a time; 0: not.
func (p *period) emergency(number int, id string, reviewed time.Duration) {
	p.t.Helper()
	plain := p.policy
	defer func() { p.policy = plain }()
	p.policy = strings.TrimSpace(plain) + "\nemergency: {team: acme/oncall, via: [comment]}\n"
	p.now = p.now.Add(20 * time.Hour)
	declared := p.now
	f := p.facts(number, func(f *policy.Facts) {
		f.Reviews.Items = nil
		f.EvaluatedAt = declared.Add(time.Minute)
		f.Declarations = []policy.Declaration{{
			Seq: 30, ReceivedAt: declared, DeliveryID: "d-30", CommentID: 3, By: policy.Actor{ID: 105, Login: "erin", Type: policy.TypeUser}, Head: "a111111",
			HeadSHA: f.Change.HeadSHA, BaseRef: "main", Ticket: "INC-7", Reason: "the shop is down", Member: "yes",
		}}
	})
	before := p.decide(f)
	e := exception{ID: id, Kind: kindEmergency, Number: number, SHA: f.Change.HeadSHA, RecordID: before.RecordID, OpenedAt: declared, DueAt: declared.Add(24 * time.Hour), Owner: "erin",
		Reason: "erin declared an emergency (INC-7: the shop is down), and the change was released without its review."}
	p.exception(e)
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(number, before)}, nil)
	if reviewed > 0 {
		p.now = declared.Add(reviewed)
		e.State, e.Step, e.ClosedAt, e.By, e.Remediation = exceptionClosed, stepReviewed, p.now, "bob", "Reviewed in retrospect by bob."
		p.exception(e)
	}
}
