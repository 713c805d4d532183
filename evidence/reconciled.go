package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/ledger"
)

// leafReconcile is the kind of the leaves that say what was missing when a repository was compared
// with GitHub.
const leafReconcile = "reconcile"

// reconcileVersion is the version of their records that is read here.
const reconcileVersion = 1

// reconcileRecord is one such record. Every field is known here: what is not read is not passed over.
type reconcileRecord struct {
	leaf         int64
	at           time.Time
	V            int             `json:"v"`
	RepositoryID int64           `json:"repository_id"`
	Repository   string          `json:"repository"`
	First        bool            `json:"first"`
	OpenPulls    int             `json:"open_pull_requests"`
	Complete     bool            `json:"complete"`
	By           json.RawMessage `json:"by"`
	Found        []struct {
		What      string `json:"what"`
		Number    int    `json:"number"`
		Ref       string `json:"ref"`
		HeadSHA   string `json:"head_sha"`
		CheckName string `json:"check_name"`
		OnRecord  string `json:"on_record"`
		OnGitHub  string `json:"on_github"`
	} `json:"found"`
}

func reconcileOf(l ledger.Leaf, body []byte) (reconcileRecord, error) {
	r := reconcileRecord{leaf: l.Seq, at: l.RecordedAt}
	err := strictly(body, &r)
	if err == nil && (r.V != reconcileVersion || r.RepositoryID <= 0 || len(r.Found) == 0) {
		err = fmt.Errorf("version %d about repository %d with %d findings", r.V, r.RepositoryID, len(r.Found))
	}
	for _, f := range r.Found {
		if err == nil && f.What == "" {
			err = errors.New("it does not say what was missing")
		}
	}
	if err != nil {
		return r, fmt.Errorf("leaf %d is no comparison with GitHub: %w", l.Seq, err)
	}
	return r, nil
}

// reconciled is what was missing when repositories were compared with GitHub in the period. It was
// looked at then, like what events tell of.
type reconciled struct {
	Found   int              `json:"found"`
	Records []reconciledLine `json:"records"`
}

// reconciledLine is one record.
type reconciledLine struct {
	Leaf         int64     `json:"leaf"`
	At           time.Time `json:"at"`
	RepositoryID int64     `json:"repository_id"`
	Repository   string    `json:"repository"` // owner/name, as it was then
	// First is true when the repository was looked at for the first time: nobody could tell of what
	// was there before.
	First bool `json:"first,omitempty"`
	// ByHand is true when somebody had it compared.
	ByHand bool           `json:"by_hand,omitempty"`
	Found  map[string]int `json:"found"` // how many things, by what was missing
}

// reconciledWithin is nil when nothing was missing in the period.
func reconciledWithin(list []reconcileRecord, q Query) *reconciled {
	var out reconciled
	for _, r := range list {
		if !q.during(r.at) {
			continue
		}
		line := reconciledLine{Leaf: r.leaf, At: r.at, RepositoryID: r.RepositoryID, Repository: r.Repository, First: r.First, ByHand: r.By != nil, Found: map[string]int{}}
		for _, f := range r.Found {
			line.Found[f.What]++
		}
		out.Found += len(r.Found)
		out.Records = append(out.Records, line)
	}
	if out.Found == 0 {
		return nil
	}
	return &out
}
