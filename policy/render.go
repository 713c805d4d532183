package policy

import (
	"crypto/sha256"
	"encoding/hex"
)

// Proof is what the ledger knows of a decision when its check run is written.
type Proof struct {
	// RecordID is the decision's id in the store, and the check run's external id.
	RecordID       string
	DecisionSHA256 string
	LeafIndex      int64
	// Checkpoint is the newest signed checkpoint that covers the leaf; may be empty.
	Checkpoint string
	// Also are the numbers of the other open pull requests with the same head and
	// check run name.
	Also []int
	// Public is true for a public repository: who may approve is then left out.
	Public bool
}

// Output is the text of a check run, Markdown as GitHub shows it.
type Output struct {
	Title   string
	Summary string
	Text    string
}

// Render writes the check run of a decision.
func Render(d Decision, proof Proof) Output {
	return Output{Title: d.Title}
}

// Said is a digest of what a reader would notice.
func (o Output) Said() string {
	sum := sha256.Sum256([]byte(o.Title + "\x00" + o.Summary))
	return hex.EncodeToString(sum[:])
}
