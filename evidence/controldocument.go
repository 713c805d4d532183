package evidence

import (
	"fmt"
	"slices"

	"github.com/countersign/countersign/policy"
)

// controlDocument is a document that the organisation registers for a criterion, as it was found at
// the end of the period. It says that the document is there, and nothing of what is in it.
//
// Field names and order are part of the evidence format; add, never change.
type controlDocument struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	Owner    string `json:"owner"`
	Location string `json:"location"`
	// State is "as registered", "no digest registered", "changed", "missing", "unreadable", or "not
	// checked" for what is not in the repository.
	State string `json:"state"`
	// Overdue is true when its review was due before the end of the period.
	Overdue  bool   `json:"overdue"`
	ReviewBy string `json:"review_by"`
	Leaf     int64  `json:"leaf"` // that recorded the register
	Evidence string `json:"evidence"`
}

// Wanting says whether the document is not there as it was registered.
func (d controlDocument) Wanting() bool {
	return d.State != policy.RegisteredSame && d.State != policy.RegisteredUnfixed && d.State != policy.RegisteredElsewhere
}

// documentsFor are the documents that are registered for a criterion.
func documentsFor(r *recordedRegister, criterion string, q Query) (out []controlDocument) {
	if r == nil {
		return nil
	}
	for _, d := range r.Documents {
		if slices.Contains(d.Controls, criterion) {
			out = append(out, controlDocument{d.ID, d.Title, d.Owner, d.Location, d.State, overdue(d, q), d.ReviewBy, r.leaf, "register.csv"})
		}
	}
	return out
}

// withRegistered adds the criteria that the register names and the matrix does not have.
func withRegistered(criteria []criterion, r *recordedRegister) []criterion {
	if r == nil {
		return criteria
	}
	for _, d := range r.Documents {
		for _, control := range d.Controls {
			if !slices.ContainsFunc(criteria, func(c criterion) bool { return c.ID == control }) {
				criteria = append(criteria, criterion{ID: control, Title: "What the organisation's register names it for"})
			}
		}
	}
	return criteria
}

// registerNote says what is known of the register at the end of the period.
func registerNote(r *recordedRegister) string {
	switch {
	case r == nil:
		return "No register of documents was on record at the end of the period. Whether there are policies, plans and reports is not tested here."
	case len(r.Problems) > 0:
		return fmt.Sprintf("The register of documents could not be used at the end of the period (leaf %d, register.csv). Whether there are policies, plans and reports is not tested here.", r.leaf)
	case r.BlobSHA == "":
		return fmt.Sprintf("There was a register of documents, and none at the end of the period (leaf %d).", r.leaf)
	}
	return fmt.Sprintf("Documents are those of the register of %s as it was last found otherwise than before, at %s (leaf %d). That one is there says nothing of what is in it.", r.Repository, moment(r.ReadAt), r.leaf)
}
