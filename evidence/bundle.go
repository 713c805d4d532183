package evidence

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// The files of a bundle that are not written for people to read. Beside them there are documents,
// blobs, which are what decisions were made from, each named by its digest, and packs of these.
const (
	fileManifest   = "manifest.json"
	fileSignature  = "manifest.sig"
	fileCheckpoint = CheckpointFile
	fileKey        = "log/key"
	fileLeaves     = "log/leaves.jsonl"
	fileRecords    = "log/records.jsonl"   // of the period
	fileDecisions  = "log/decisions.jsonl" // records too, of decisions
	fileCosigned   = "log/cosigned.jsonl"  // not in the manifest: witnesses cosign later
	blobs          = "blobs/"
)

// CheckpointFile is the file of a bundle that holds the log's signed checkpoint.
const CheckpointFile = "log/checkpoint"

// BundleVersion is the version of the format of bundles: of the manifest, the log, the blobs and the
// packs. Version 1 had no packs, and is still read.
const BundleVersion = 2

// DocumentsVersion is the version of the documents that are made of the records. A bundle whose
// documents have another version is verified without comparing them, and the report says so.
const DocumentsVersion = 2

// Query is what a bundle answers.
//
// Field names and order are part of the evidence format; add, never change.
type Query struct {
	// From and To are the audit period: changes that reached a branch from From on and before To,
	// by GitHub's time.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Sample is how a sample is drawn; nil: there is none, and what every change of the period
	// rests on is in the bundle.
	Sample *SampleQuery `json:"sample,omitempty"`
}

// SampleQuery is how a sample is drawn: its size, or the plan that gives its size, and its seed.
type SampleQuery struct {
	Size int   `json:"size,omitempty"` // 0: as the plan gives it
	Plan *Plan `json:"plan,omitempty"`
	// ByClass shares the sample out among the classes of authorship.
	ByClass bool `json:"by_class,omitempty"`
	// Seed is the auditor's; empty: it is derived from the log as it was after the period.
	Seed Seed `json:"seed,omitempty"`
	// Replace are items of the sample that could not be tested, in order.
	Replace []Replace `json:"replace,omitempty"`
}

// Replace asks for another item in place of one that could not be tested.
type Replace struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// check refuses a query that has no answer.
func (q Query) check() error {
	s := q.Sample
	switch {
	case !q.From.Before(q.To):
		return fmt.Errorf("%w: the period ends before it begins", ErrExport)
	case s == nil:
	case s.Size < 0 || (s.Size > 0) == (s.Plan != nil):
		return fmt.Errorf("%w: a sample has either a size or a plan", ErrExport)
	case len(s.Seed) != 0 && len(s.Seed) < minSeed:
		return fmt.Errorf("%w: the seed has %d bytes, and %d are needed", ErrExport, len(s.Seed), minSeed)
	}
	return s.checkReplace()
}

func (s *SampleQuery) checkReplace() error {
	if s == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, r := range s.Replace {
		if r.ID == "" || strings.TrimSpace(r.Reason) == "" || seen[r.ID] {
			return fmt.Errorf("%w: an item is replaced once, and for a reason: %q", ErrExport, r.ID)
		}
		seen[r.ID] = true
	}
	return nil
}

// Manifest says what a bundle holds and how it came about.
//
// Field names and order are part of the evidence format; add, never change.
type Manifest struct {
	V            int    `json:"v"`
	Documents    int    `json:"documents"`    // version of the documents
	Generator    string `json:"generator"`    // the program, with its version
	Organisation string `json:"organisation"` // login
	GitHub       string `json:"github"`       // its address for people: "https://github.com"
	// Origin names the log, and LogSize how many of its leaves the bundle is about.
	Origin  string `json:"origin"`
	LogSize int64  `json:"log_size"`
	// AsOf is when the newest of them was recorded, by the server's clock, UTC.
	AsOf  time.Time `json:"as_of"`
	Query Query     `json:"query"`
	// Population is the digest of the population's ids.
	Population string `json:"population_sha256"`
	Counts     Counts `json:"counts"`
	// Limits say what the bundle does not show.
	Limits []string `json:"limits"`
	// Files are all but this one, its signature and what witnesses cosigned, by name.
	Files []FileInfo `json:"files"`
}

// Counts are how much there is of what.
type Counts struct {
	Population int `json:"population"`
	Sample     int `json:"sample"`
	// Deviations are the changes of the population about which something was found, or that no
	// decision let in.
	Deviations int `json:"deviations"`
	Exceptions int `json:"exceptions"`
	// Decisions are those that are in the bundle with what they were made from.
	Decisions int `json:"decisions"`
	// Undecided are the changes of the population that no decision preceded.
	Undecided int `json:"undecided"`
	// Gaps are the places at which an update does not begin where the one before it ended.
	Gaps int `json:"gaps"`
	// Unexplained are the first-parent commits that belong to no pull request and were not pushed
	// directly either; NotListed the updates whose commits GitHub did not list.
	Unexplained int `json:"unexplained_commits"`
	NotListed   int `json:"updates_not_listed"`
	// Disposed are the records of the period whose bodies were disposed of.
	Disposed int `json:"disposed"`
	// DisposedDecisions are the decisions of the period that cannot be made again for that reason,
	// whether or not they would be in the bundle.
	DisposedDecisions int `json:"disposed_decisions"`
	// BeforeInstallation are the changes of the population from before their branch was enrolled:
	// no decision could let them in, and they are not tested. NotRead are the times in the period
	// of which it is not known, or not to their beginning, what reached a branch before that.
	BeforeInstallation int `json:"before_installation,omitempty"`
	NotRead            int `json:"not_read,omitempty"`
}

// FileInfo is one file of a bundle.
type FileInfo struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// limits are what no bundle shows, in the words of its first page.
func limits() []string {
	return []string{
		"Whether somebody used a right to bypass a branch's rules is not observable without the permission to administer the repository. What reached a branch without a decision that let it in is found all the same, and listed.",
		"The records show what GitHub's API and its deliveries said when they were read. Compare them with git (verify --git) and with GitHub itself.",
		"\"No agent indicator found\" is not a claim that a person wrote a change.",
		"Branches that are not enrolled are not in the population. What reached a branch before it was enrolled was read from GitHub's list afterwards: no decision could let it in, it is not tested, and it is no deviation.",
	}
}

// decisionBody is the body of a decision's leaf, as far as it is read here, in the order in which
// it is written.
type decisionBody struct {
	Number          int    `json:"number"` // 0: of a merge group
	FactsSHA256     string `json:"facts_sha256"`
	PolicySHA256    string `json:"policy_sha256"`
	CatalogueSHA256 string `json:"catalogue_sha256"`
	DecisionSHA256  string `json:"decision_sha256"`
	Repository      string `json:"repository"`
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// signedText is what the log's key signs of a bundle: that it is one of this log, and its manifest.
func signedText(origin string, manifest []byte) string {
	return "countersign bundle\n" + origin + "\n" + digestOf(manifest) + "\n"
}

func signManifest(origin string, manifest []byte, signer note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: signedText(origin, manifest)}, signer)
	if err != nil {
		return nil, fmt.Errorf("sign manifest: %w", err)
	}
	return signed, nil
}

// checkManifest checks the signature of a manifest.
func checkManifest(origin string, manifest, signature []byte, verifier note.Verifier) error {
	opened, err := note.Open(signature, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	if opened.Text != signedText(origin, manifest) {
		return errors.New("it is of another manifest, or of another log")
	}
	// The last digit of base64 has bits that nobody reads: there is one spelling.
	if len(opened.Sigs) != 1 || len(opened.UnverifiedSigs) != 0 {
		return errors.New("it has more signatures than that of the log's key")
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(opened.Sigs[0].Base64)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != opened.Sigs[0].Base64 {
		return errors.New("it is not in the form that is written")
	}
	return nil
}

// keyName is the name in a public key of a log, which begins the origins of its logs.
func keyName(origin string) string {
	name, _, _ := strings.Cut(origin, "/")
	return name
}
