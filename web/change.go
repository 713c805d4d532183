package web

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// mostEvents is how many events and decisions the history of a change shows.
const mostEvents = 200

// changePage is one change with a decision about it: the newest, or an earlier one.
type changePage struct {
	Base, Here string // addresses of the organisation's pages and of this one
	GitHub     string // of the pull request there
	Listed     store.ListedChange
	Decision   policy.Decision
	Leaf       int64
	RecordID   string
	DecidedAt  time.Time
	Newest     bool
	Tickets    []ticketLine
	Rules      []ruleLine
	Exceptions []store.LeafIndexed
	History    []event
	Cut        bool // the history has more
	Proof      proofLine
	HasFacts   bool
	Emergency  *emergencyForm // nil: none can be declared here
	Confirm    *confirmForm   // nil: there is nothing to confirm
	Said       string         // what the visitor just did: "emergency", "confirmed", or nothing
}

// held says whether the change waits for something or fails.
func (p *changePage) held() bool {
	return p.Decision.Verdict == policy.VerdictWaiting || p.Decision.Verdict == policy.VerdictFail
}

// ruleLine is a rule as the page shows it.
type ruleLine struct {
	policy.RuleResult
	Holds, Tone string
	Todo        bool // its remedy is to be shown
}

// proofLine is how the decision stands in the log.
type proofLine struct {
	DecisionSHA256, FactsSHA256 string
	Size                        int64 // leaves of the log now
	Root                        string
	Checkpoint                  int64 // size of the newest signed checkpoint; 0: there is none
	Signed                      bool  // it covers the decision
	Login                       string
	Day                         string // of the decision
	NextDay                     string
}

// event is one line of the history.
type event struct {
	At    time.Time
	What  string
	By    string
	Leaf  int64  // of a decision
	Link  string // to the page as it was with that decision
	Shown bool   // that decision is the one that the page shows
}

// change shows a change.
func (s *Site) change(v *visit) (shown, error) {
	listed, err := v.view.Change(v.Context(), v.id("repo"), int(v.id("number")))
	if err != nil {
		return shown{}, err
	}
	tenant, err := v.view.Of(v.Context(), listed.RepoID)
	if err != nil {
		return shown{}, err
	}
	d, err := decisionOf(v, tenant, listed)
	if err != nil {
		return shown{}, err
	}
	p := changePage{Base: v.base(), Here: changePath(v.base(), listed.RepoID, listed.Number), GitHub: fmt.Sprintf("%s/%s/pull/%d", s.GitHubURL, listed.Repository, listed.Number),
		Listed: listed, Leaf: d.LeafIndex, RecordID: d.RecordID, DecidedAt: d.RecordedAt, Newest: d.RecordID == listed.RecordID, HasFacts: len(d.Facts) > 0}
	if err := json.Unmarshal(d.Decision, &p.Decision); err != nil {
		return shown{}, fmt.Errorf("web: the decision of leaf %d: %w", d.LeafIndex, err)
	}
	if p.Tickets, err = ticketsOf(d, p.Decision, s.Trackers(v.view.Login), s.GitHubURL); err != nil {
		return shown{}, err
	}
	for _, r := range p.Decision.Rules {
		p.Rules = append(p.Rules, ruleLineOf(r))
	}
	if p.Exceptions, err = tenant.Exceptions(v.Context(), store.ExceptionFilter{RepoID: listed.RepoID, Number: listed.Number}); err != nil {
		return shown{}, err
	}
	if err := p.history(v, tenant); err != nil {
		return shown{}, err
	}
	if p.Proof, err = proofOf(v, tenant, d); err != nil {
		return shown{}, err
	}
	if p.Emergency, err = s.emergencyForm(v, d, &p); err != nil {
		return shown{}, err
	}
	p.Confirm, p.Said = s.confirmForm(v, &p), v.URL.Query().Get("said")
	return shown{fmt.Sprintf("%s #%d", listed.Repository, listed.Number), p}, nil
}

func changePath(base string, repo int64, number int) string {
	return fmt.Sprintf("%s/changes/%d/%d", base, repo, number)
}

// decisionOf is the decision that is asked for: the newest, if none is named.
func decisionOf(v *visit, tenant store.Tenant, listed store.ListedChange) (store.Decided, error) {
	d, err := tenant.Decision(v.Context(), cmp.Or(v.URL.Query().Get("record"), listed.RecordID))
	if err == nil && (d.RepoID != listed.RepoID || d.Number != listed.Number) {
		err = fmt.Errorf("web: decision %s is about another change: %w", d.RecordID, store.ErrNotFound)
	}
	return d, err
}

func ruleLineOf(r policy.RuleResult) ruleLine {
	l := ruleLine{RuleResult: r, Holds: "not known", Tone: "open"}
	switch r.Outcome {
	case policy.OutcomePass:
		l.Holds, l.Tone = "yes", "good"
	case policy.OutcomeFail:
		l.Holds, l.Tone = "no", "bad"
		if r.Unknown {
			l.Holds = "not known"
		}
	case policy.OutcomePending:
		l.Holds = "not yet"
	case policy.OutcomeExempt:
		l.Holds = "exempt"
	case policy.OutcomeNotApplicable:
		l.Holds, l.Tone = "does not apply", ""
	}
	l.Todo = r.Remedy != "" && r.Outcome != policy.OutcomePass && r.Outcome != policy.OutcomeNotApplicable
	return l
}

// history puts what was received and what was decided into one order, newest first.
func (p *changePage) history(v *visit, tenant store.Tenant) error {
	observations, err := tenant.Observations(v.Context(), p.Listed.RepoID, p.Listed.Number)
	if err != nil {
		return err
	}
	decisions, err := tenant.DecisionsAbout(v.Context(), p.Listed.RepoID, p.Listed.Number, mostEvents+1)
	if err != nil {
		return err
	}
	for _, o := range observations {
		p.History = append(p.History, received(o))
	}
	for _, d := range decisions {
		m := event{At: d.At, What: "Decided on " + shortSHA(d.HeadSHA) + ": " + verdictInWords(d.Verdict), By: "countersign", Leaf: d.LeafIndex,
			Link: p.Here + "?record=" + url.QueryEscape(d.RecordID), Shown: d.RecordID == p.RecordID}
		p.History = append(p.History, m)
	}
	slices.SortStableFunc(p.History, func(a, b event) int { return b.At.Compare(a.At) })
	if p.Cut = len(p.History) > mostEvents; p.Cut {
		p.History = p.History[:mostEvents]
	}
	return nil
}

// received is a line about an event. What it said may have been disposed of.
func received(o store.Observation) event {
	m := event{At: o.ReceivedAt, What: strings.TrimSpace(strings.ReplaceAll(o.Event+" "+o.Action, "_", " "))}
	var said struct {
		Sender struct {
			Login string `json:"login"`
		} `json:"sender"`
		Review *struct {
			State     string `json:"state"`
			CommitSHA string `json:"commit_sha"`
		} `json:"review"`
		Label string `json:"label"`
	}
	if o.Disposed || json.Unmarshal(o.Body, &said) != nil {
		m.By = "disposed of"
		return m
	}
	m.By = said.Sender.Login
	if said.Review != nil {
		m.What += ": " + strings.ReplaceAll(said.Review.State, "_", " ") + " on " + shortSHA(said.Review.CommitSHA)
	}
	if said.Label != "" {
		m.What += ": " + said.Label
	}
	return m
}

func proofOf(v *visit, tenant store.Tenant, d store.Decided) (p proofLine, err error) {
	_, _, size, root, err := tenant.Inclusion(v.Context(), d.LeafIndex)
	if err != nil {
		return p, err
	}
	p = proofLine{DecisionSHA256: d.DecisionSHA256, FactsSHA256: d.FactsSHA256, Size: size, Root: root.String(), Login: v.view.Login,
		Day: d.RecordedAt.Format(time.DateOnly), NextDay: d.RecordedAt.AddDate(0, 0, 1).Format(time.DateOnly)}
	_, p.Checkpoint, err = tenant.NewestCheckpoint(v.Context())
	if errors.Is(err, store.ErrNotFound) {
		return p, nil
	}
	p.Signed = p.Checkpoint > d.LeafIndex
	return p, err
}

// shownDecision is the decision that a file is asked for.
func (s *Site) shownDecision(v *visit) (store.Tenant, store.Decided, error) {
	listed, err := v.view.Change(v.Context(), v.id("repo"), int(v.id("number")))
	if err != nil {
		return store.Tenant{}, store.Decided{}, err
	}
	tenant, err := v.view.Of(v.Context(), listed.RepoID)
	if err != nil {
		return store.Tenant{}, store.Decided{}, err
	}
	d, err := decisionOf(v, tenant, listed)
	return tenant, d, err
}

// changeFacts are the exact bytes that a decision was made from.
func (s *Site) changeFacts(v *visit) (attachment, error) {
	_, d, err := s.shownDecision(v)
	if err == nil && len(d.Facts) == 0 {
		err = fmt.Errorf("web: facts of leaf %d: %w", d.LeafIndex, store.ErrNotFound)
	}
	return attachment{fmt.Sprintf("facts-%d-%d-leaf%d.json", d.RepoID, d.Number, d.LeafIndex), "application/json", d.Facts}, err
}

// leafProof is what proves that a decision is in the log.
type leafProof struct {
	Index      int64             `json:"index"`
	Leaf       string            `json:"leaf"` // exact bytes
	Size       int64             `json:"size"`
	Root       string            `json:"root"`  // base64
	Proof      []string          `json:"proof"` // base64, from the leaf up
	Salt       string            `json:"salt"`  // base64
	Body       json.RawMessage   `json:"body"`
	Decision   json.RawMessage   `json:"decision"`
	Checkpoint string            `json:"checkpoint"` // newest signed checkpoint; empty: none
	How        map[string]string `json:"how"`
}

// changeProof is what proves that a decision is in the log, for somebody who keeps it.
func (s *Site) changeProof(v *visit) (attachment, error) {
	tenant, d, err := s.shownDecision(v)
	if err != nil {
		return attachment{}, err
	}
	leaf, proof, size, root, err := tenant.Inclusion(v.Context(), d.LeafIndex)
	if err != nil {
		return attachment{}, err
	}
	_, salt, body, err := tenant.RecordAt(v.Context(), d.LeafIndex)
	if err != nil {
		return attachment{}, err
	}
	checkpoint, _, err := tenant.NewestCheckpoint(v.Context())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return attachment{}, err
	}
	p := leafProof{Index: d.LeafIndex, Leaf: string(leaf), Size: size, Root: root.String(), Salt: base64.StdEncoding.EncodeToString(salt), Body: body,
		Decision: d.Decision, Checkpoint: string(checkpoint), Proof: []string{}, How: map[string]string{
			"body":     "SHA-256 of salt and body is body_sha256 of the leaf",
			"leaf":     "SHA-256 of a zero byte and the leaf is the leaf's hash; joined with the hashes of proof (RFC 6962) it leads to root",
			"decision": "SHA-256 of the decision's exact bytes is decision_sha256 of the body",
		}}
	for _, h := range proof {
		p.Proof = append(p.Proof, h.String())
	}
	content, err := json.MarshalIndent(p, "", "  ")
	return attachment{fmt.Sprintf("proof-leaf%d.json", d.LeafIndex), "application/json", content}, err
}
