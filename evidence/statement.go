package evidence

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/countersign/countersign/policy"
)

// The types of statements and predicates.
const (
	typeStatement = "https://in-toto.io/Statement/v1"
	// https://slsa.dev/spec/v1.2/verification_summary
	typeSummary = "https://slsa.dev/verification_summary/v1"
	// https://github.com/slsa-framework/source-tool/blob/main/docs/DESIGN.md
	typeProvenance = "https://github.com/slsa-framework/slsa-source-poc/source-provenance/v1-draft"
	verifierID     = "https://github.com/countersign/countersign"
)

// statement says something about one commit.
// https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     any       `json:"predicate"`
}

type subject struct {
	URI         string              `json:"uri"`
	Digest      map[string]string   `json:"digest"`
	Annotations map[string][]string `json:"annotations"`
}

// summary says at which levels the way of a commit to its branch was verified.
type summary struct {
	Verifier           verifiedBy `json:"verifier"`
	TimeVerified       time.Time  `json:"timeVerified"`
	ResourceURI        string     `json:"resourceUri"`
	Policy             reference  `json:"policy"`
	VerificationResult string     `json:"verificationResult"`
	VerifiedLevels     []string   `json:"verifiedLevels"`
	SLSAVersion        string     `json:"slsaVersion"`
}

type verifiedBy struct {
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

type reference struct {
	URI    string            `json:"uri"`
	Digest map[string]string `json:"digest,omitempty"`
}

// provenance says how a commit came to its branch.
type provenance struct {
	PrevCommit   string     `json:"prev_commit"`
	RepoURI      string     `json:"repo_uri"`
	ActivityType string     `json:"activity_type"`
	Actor        string     `json:"actor"`
	Branch       string     `json:"branch"`
	CreatedOn    time.Time  `json:"created_on"`
	Countersign  recordedBy `json:"countersign"`
}

// recordedBy is where the log says so, and what it says of the change.
type recordedBy struct {
	Log            string   `json:"log"`
	UpdateLeaf     int64    `json:"update_leaf"`
	UpdateSHA256   string   `json:"update_record_sha256"` // with its salt
	PullRequest    int      `json:"pull_request,omitempty"`
	HeadSHA        string   `json:"head_sha,omitempty"`
	DecisionLeaf   *int64   `json:"decision_leaf,omitempty"`
	DecisionSHA256 string   `json:"decision_sha256,omitempty"`
	Verdict        string   `json:"verdict,omitempty"`
	Class          string   `json:"class,omitempty"`
	Agents         []string `json:"agents,omitempty"`
	Findings       []string `json:"findings,omitempty"`
}

// statements are about the changes that are shown and that a commit came of.
func (f *findings) statements() (out []document) {
	for i := range f.changes {
		c := f.changes[i]
		if !f.shown(c) || c.update.kind == policy.UpdateDeletion {
			continue
		}
		name := "attestations/" + c.slug()
		out = append(out, document{name + ".provenance.json", func() ([]byte, error) { return f.provenance(c) }})
		if f.verifiable(c) {
			out = append(out, document{name + ".vsa.json", func() ([]byte, error) { return f.summary(c) }})
		}
	}
	return out
}

// source is the repository of a change as a resource.
func (f *findings) source(c change) string {
	return "git+" + f.github + "/" + c.update.repository
}

func (f *findings) state(c change, predicateType string, predicate any) ([]byte, error) {
	b, err := json.Marshal(statement{
		Type: typeStatement, PredicateType: predicateType, Predicate: predicate,
		Subject: []subject{{URI: f.source(c), Digest: map[string]string{"gitCommit": c.update.after}, Annotations: map[string][]string{"sourceRefs": {"refs/heads/" + c.update.ref}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode statement: %w", err)
	}
	return b, nil
}

func (f *findings) provenance(c change) ([]byte, error) {
	u := c.update
	p := provenance{
		PrevCommit: u.before, RepoURI: f.github + "/" + u.repository, ActivityType: u.kind, Actor: u.actor, Branch: "refs/heads/" + u.ref, CreatedOn: u.at,
		Countersign: recordedBy{Log: f.log.Origin, UpdateLeaf: c.leaf, UpdateSHA256: u.digest, PullRequest: c.number, HeadSHA: c.head, Verdict: string(c.verdict), Class: string(c.class), Agents: c.agents, Findings: c.kinds},
	}
	if c.decision >= 0 {
		j, err := f.judged(c.decision)
		if err != nil {
			return nil, err
		}
		p.Countersign.DecisionLeaf, p.Countersign.DecisionSHA256 = &c.decision, j.body.DecisionSHA256
	}
	return f.state(c, typeProvenance, p)
}

// summary verifies the way of a change's commit: by the decision that let it in, and by the
// records of the branch.
func (f *findings) summary(c change) ([]byte, error) {
	s := summary{
		Verifier: verifiedBy{ID: verifierID}, TimeVerified: c.update.recordedAt.UTC(), ResourceURI: f.source(c), Policy: reference{URI: f.source(c)},
		VerificationResult: "FAILED", VerifiedLevels: []string{"FAILED"}, SLSAVersion: "1.2",
	}
	if c.decision >= 0 {
		j, err := f.judged(c.decision)
		if err != nil {
			return nil, err
		}
		s.Verifier.Version = map[string]string{"countersign": j.decision.Engine}
		if j.body.PolicySHA256 != "" {
			s.Policy.Digest = map[string]string{"sha256": j.body.PolicySHA256}
		}
		if levels := f.levels(c, j); len(levels) > 0 {
			s.VerificationResult, s.VerifiedLevels = "PASSED", levels
		}
	}
	return f.state(c, typeSummary, s)
}
