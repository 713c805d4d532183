package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/ledger"
)

// leafDisposal is the kind of the leaves that say what was disposed of.
const leafDisposal = "disposal"

// disposalBody is the body of such a leaf, as far as it is read here: a certificate.
type disposalBody struct {
	V      int    `json:"v"`
	Reason string `json:"reason"`
	Why    string `json:"why"`
	By     struct {
		User  string `json:"user"`
		Host  string `json:"host"`
		Login string `json:"login"`
	} `json:"by"`
	Before       time.Time        `json:"before"` // zero: whenever
	Records      int64            `json:"records"`
	Kinds        map[string]int64 `json:"kinds"`
	Leaves       []ledger.Run     `json:"leaves"` // whose bodies are gone
	Observations int64            `json:"observations"`
	Deliveries   int64            `json:"deliveries"`
}

// certificate is a disposal that is on record.
type certificate struct {
	disposalBody
	leaf int64
	at   time.Time
	// records are those that belong into the bundle, and decisions those of the period, that are
	// gone by it.
	records, decisions int
}

// disposals are what is gone of a log, and what says so.
type disposals struct {
	certificates []certificate
	covers       ledger.Covers // a certificate's number is its place in the list
	gone         []ledger.Leaf
	kept         []int64 // leaves of the records that are there
	decided      []int64 // leaves of the decisions of the period
	// records are how many records are gone that may say something of the period, and decisions how
	// many of its decisions.
	records, decisions int
}

// certificateOf takes the record of a disposal.
func (d *disposals) certificateOf(l ledger.Leaf, body []byte) error {
	c := certificate{leaf: l.Seq, at: l.RecordedAt}
	if err := json.Unmarshal(body, &c.disposalBody); err != nil {
		return fmt.Errorf("leaf %d is no disposal: %w", l.Seq, err)
	}
	var records int64
	for _, r := range c.Leaves {
		if r[0] < 0 || r[1] < r[0] || r[1] >= l.Seq {
			return fmt.Errorf("leaf %d says that leaves %d to %d were disposed of, which are none before it", l.Seq, r[0], r[1])
		}
		records += r.Len()
		d.covers = append(d.covers, ledger.Cover{Run: r, Certificate: int64(len(d.certificates))})
	}
	if records != c.Records {
		return fmt.Errorf("leaf %d counts %d records that were disposed of, and names %d", l.Seq, c.Records, records)
	}
	d.certificates = append(d.certificates, c)
	return nil
}

// by is the certificate that covers a leaf; nil: none does.
func (d *disposals) by(leaf int64) *certificate {
	c, ok := d.covers.Find(leaf)
	if !ok {
		return nil
	}
	return &d.certificates[c.Certificate]
}

// errNotCertified: a record is missing, and nothing says that it was disposed of.
var errNotCertified = errors.New("no certificate of a disposal covers it")

// settle compares what is gone with what the certificates say, when all records were taken: a record
// is missing exactly where one says so.
func (d *disposals) settle(q Query) error {
	if both := d.covers.Sort(); both != nil {
		return fmt.Errorf("leaf %d was disposed of twice", both[1].Run[0])
	}
	for _, leaf := range d.kept {
		if c := d.by(leaf); c != nil {
			return fmt.Errorf("leaf %d says that the record of leaf %d was disposed of, and it is there", c.leaf, leaf)
		}
	}
	for _, l := range d.gone {
		c := d.by(l.Seq)
		if c == nil {
			return fmt.Errorf("the record of leaf %d is missing: %w", l.Seq, errNotCertified)
		}
		if c.records++; q.concerns(l) {
			d.records++
		}
	}
	for _, leaf := range d.decided {
		if c := d.by(leaf); c != nil {
			c.decisions++
			d.decisions++
		}
	}
	return nil
}

// concerns says whether a record that is gone may have said something of the period. An exception
// that was still open then has a later step; a branch whose protection is not known is shown so.
func (q Query) concerns(l ledger.Leaf) bool {
	switch l.Kind {
	case leafEnrolment, leafScope, leafRegister, leafBackfill:
		return true
	}
	return !l.RecordedAt.Before(q.From.Add(-clockSkew))
}

// during says whether something was recorded in the period, by the server's clock.
func (q Query) during(at time.Time) bool { return !at.Before(q.From) && at.Before(q.To) }

// needed is an error if one of the decisions that a bundle must have was disposed of. The program
// keeps them as long as the records of the merges that rest on them.
func (d *disposals) needed(decisions []int64) error {
	for _, leaf := range decisions {
		if c := d.by(leaf); c != nil {
			return fmt.Errorf("a change rests on the decision of leaf %d, and leaf %d says that it was disposed of", leaf, c.leaf)
		}
	}
	return nil
}

// disposalsTable lists the certificates of what is gone, and those of the period.
func disposalsTable(list []certificate, q Query) table {
	t := table{name: "disposals", title: "Disposals", columns: []string{"leaf", "recorded_at", "reason", "why", "by", "from_before", "kinds", "leaves", "events", "payloads", "records_of_bundle", "decisions_of_period"}}
	for _, c := range list {
		if c.records+c.decisions == 0 && !q.during(c.at) {
			continue
		}
		t.rows = append(t.rows, []string{number64(c.leaf), moment(c.at), c.Reason, c.Why, c.who(), moment(c.Before), kindsText(c.Kinds), ledger.RunsText(c.Leaves),
			orNone(c.Observations), orNone(c.Deliveries), strconv.Itoa(c.records), strconv.Itoa(c.decisions)})
	}
	return t
}

// who is who asked for the disposal.
func (c certificate) who() string {
	switch {
	case c.By.Login != "":
		return c.By.Login
	case c.By.User != "":
		return c.By.User + " on " + c.By.Host
	}
	return "the settings"
}

func kindsText(kinds map[string]int64) string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		out = append(out, fmt.Sprintf("%s: %d", kind, kinds[kind]))
	}
	return strings.Join(out, ", ")
}
