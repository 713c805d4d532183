package policy

import (
	"fmt"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// RegisterPath is where an organisation's .github repository lists the documents that no program
// can produce.
const RegisterPath = ".github/countersign/register.yml"

// maxRegistered bounds one register.
const maxRegistered = 300

// RegisteredDocument is a document that a control rests on: a policy, a plan, a test report.
type RegisteredDocument struct {
	ID    string
	Title string
	// Controls are ids of controls, for example "CC8.1"; at least one.
	Controls []string
	Owner    string
	// Path is of a file in the same repository, URL where it is otherwise; one of them is set.
	Path, URL string
	// SHA256 is the digest of the file as it was approved; empty: none was given.
	SHA256 string
	// ReviewBy is the last day, UTC, on which its review is in time.
	ReviewBy time.Time
	Line     int // in the file
}

// ParseRegister reads a register. The error is a *ParseError that holds every problem found.
func ParseRegister(src []byte) ([]RegisteredDocument, error) {
	r := &policyReader{places: map[string]Place{}}
	var list []RegisteredDocument
	if root := r.document(src); root != nil && len(r.problems) == 0 {
		m := r.mapping(root, "", "version", "documents")
		r.version(root, m["version"])
		list = r.registered(m["documents"])
	}
	if len(r.problems) > 0 {
		return nil, &ParseError{Problems: r.problems}
	}
	return list, nil
}

func (r *policyReader) registered(n *yaml.Node) (list []RegisteredDocument) {
	items := r.sequence(n, "documents")
	if len(items) > maxRegistered {
		r.say(n, "documents", fmt.Sprintf("has %d documents, at most %d are allowed", len(items), maxRegistered), "")
		return nil
	}
	seen := map[string]bool{}
	for i, item := range items {
		at := fmt.Sprintf("documents[%d]", i)
		d := r.registeredDocument(item, at)
		if d.ID != "" && seen[d.ID] {
			r.say(item, at+".id", fmt.Sprintf("%q is there twice", d.ID), "give every document an id of its own")
		}
		seen[d.ID] = true
		list = append(list, d)
	}
	return list
}

func (r *policyReader) registeredDocument(n *yaml.Node, at string) RegisteredDocument {
	m := r.mapping(n, at, "id", "title", "controls", "owner", "location", "sha256", "review_by")
	r.required(n, m, at, "id", "title", "controls", "owner", "location", "review_by")
	d := RegisteredDocument{
		ID: r.text(m["id"], at+".id"), Title: r.text(m["title"], at+".title"), Controls: r.texts(m["controls"], at+".controls"),
		Owner: r.text(m["owner"], at+".owner"), SHA256: r.text(m["sha256"], at+".sha256"), Line: n.Line,
	}
	if d.SHA256 != "" && (len(d.SHA256) != 64 || strings.Trim(d.SHA256, "0123456789abcdef") != "") {
		r.say(m["sha256"], at+".sha256", "is no SHA-256", "write 64 lower-case hexadecimal digits, as sha256sum prints them")
	}
	r.location(&d, m["location"], at+".location")
	if text := r.text(m["review_by"], at+".review_by"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			r.say(m["review_by"], at+".review_by", fmt.Sprintf("%q is no date", text), `write it as "2027-01-31"`)
		}
		d.ReviewBy = day
	}
	return d
}

// location is a path in the repository, or an address.
func (r *policyReader) location(d *RegisteredDocument, n *yaml.Node, at string) {
	text := r.text(n, at)
	switch {
	case text == "":
	case strings.HasPrefix(text, "https://"):
		d.URL = text
	case path.Clean(text) != text || strings.HasPrefix(text, "/") || strings.HasPrefix(text, "..") || strings.Contains(text, "://"):
		r.say(n, at, fmt.Sprintf("%q is neither a file of the repository nor an https address", text), `write "policies/change.md" or "https://wiki.example.com/change"`)
	default:
		d.Path = text
	}
}

// RegisterFacts is a register as it was read, with what was found of its documents. It is the body
// of a leaf.
//
// Field names and order are part of the evidence format; add, never change.
type RegisterFacts struct {
	V          int       `json:"v"`
	Repository string    `json:"repository"` // owner/name
	ReadAt     time.Time `json:"read_at"`
	// BlobSHA is the file's; empty: there is no register.
	BlobSHA string `json:"blob_sha"`
	// Problems are those of a file that cannot be used; its documents are not known then.
	Problems  []Problem         `json:"problems"`
	Documents []RegisteredFacts `json:"documents"`
}

// RegisterVersion is the version of the RegisterFacts format.
const RegisterVersion = 1

// RegisteredFacts is one document of a register as it was found.
type RegisteredFacts struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Controls []string `json:"controls"`
	Owner    string   `json:"owner"`
	Location string   `json:"location"`
	SHA256   string   `json:"sha256"`    // as the register gives it
	ReviewBy string   `json:"review_by"` // YYYY-MM-DD
	State    string   `json:"state"`
	// FoundSHA256 is that of the file as it is; empty when it was not read.
	FoundSHA256 string `json:"found_sha256"`
	Why         string `json:"why,omitempty"` // of a file that could not be read
}

// The states of a registered document.
const (
	RegisteredSame       = "as registered"
	RegisteredUnfixed    = "no digest registered" // it is there, and nobody said what it should be
	RegisteredChanged    = "changed"
	RegisteredMissing    = "missing"
	RegisteredElsewhere  = "not checked" // it is not in the repository
	RegisteredUnreadable = "unreadable"
)

// Found says what was found of a document: its digest, empty when there is no such file.
func (d RegisteredDocument) Found(sha256 string) RegisteredFacts {
	f := RegisteredFacts{ID: d.ID, Title: d.Title, Controls: d.Controls, Owner: d.Owner, Location: d.Path + d.URL, SHA256: d.SHA256, ReviewBy: d.ReviewBy.Format(time.DateOnly), FoundSHA256: sha256}
	switch {
	case d.URL != "":
		f.State = RegisteredElsewhere
	case sha256 == "":
		f.State = RegisteredMissing
	case d.SHA256 == "":
		f.State = RegisteredUnfixed
	case d.SHA256 == sha256:
		f.State = RegisteredSame
	default:
		f.State = RegisteredChanged
	}
	return f
}
