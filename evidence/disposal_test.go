package evidence

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// A record may be missing exactly where one certificate, later in the log, says so.
func TestCertificatesOfDisposal(t *testing.T) {
	q := Query{From: day(1), To: day(30)}
	leaf := func(seq int64, kind string, at int) ledger.Leaf {
		return ledger.Leaf{Seq: seq, Kind: kind, RecordedAt: day(at)}
	}
	const good = `{"v":1,"reason":"retention","records":3,"kinds":{"decision":2,"merge":1},"leaves":[[1,2],[4,4]]}`
	for name, c := range map[string]struct {
		bodies []string
		gone   []ledger.Leaf
		kept   []int64
		want   string // empty: it holds
	}{
		"nothing":                        {nil, nil, []int64{1, 2, 3, 4}, ""},
		"what a certificate names":       {[]string{good}, []ledger.Leaf{leaf(2, leafMerge, 5)}, []int64{0, 3}, ""},
		"without a certificate":          {nil, []ledger.Leaf{leaf(2, leafMerge, 5)}, nil, "the record of leaf 2 is missing: no certificate"},
		"another one's certificate":      {[]string{good}, []ledger.Leaf{leaf(3, leafMerge, 5)}, nil, "the record of leaf 3 is missing: no certificate"},
		"a certificate, and it is there": {[]string{good}, nil, []int64{0, 4}, "the record of leaf 4 was disposed of, and it is there"},
		"twice":                          {[]string{good, `{"v":1,"records":1,"leaves":[[2,2]]}`}, nil, nil, "leaf 2 was disposed of twice"},
		"more than it counts":            {[]string{`{"v":1,"records":1,"leaves":[[1,2]]}`}, nil, nil, "counts 1 records"},
		"what comes after it":            {[]string{`{"v":1,"records":1,"leaves":[[9,9]]}`}, nil, nil, "none before it"},
		"everything":                     {[]string{`{"v":1,"records":9223372036854775807,"leaves":[[0,9223372036854775806]]}`}, nil, nil, "none before it"},
		"a range that ends before":       {[]string{`{"v":1,"records":0,"leaves":[[4,3]]}`}, nil, nil, "none before it"},
		"no certificate at all":          {[]string{`[]`}, nil, nil, "is no disposal"},
	} {
		t.Run(name, func(t *testing.T) {
			d := disposals{gone: c.gone, kept: c.kept}
			var err error
			for i, body := range c.bodies {
				if err == nil {
					err = d.certificateOf(leaf(int64(6+i), leafDisposal, 6), []byte(body))
				}
			}
			if err == nil {
				err = d.settle(q)
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// What is gone is counted where it may have said something of the period, and listed with the
// certificate that names it.
func TestDisposalsAreCountedAndListed(t *testing.T) {
	q := Query{From: day(10), To: day(20)}
	d := disposals{decided: []int64{1, 3}}
	for i, l := range []ledger.Leaf{{Kind: leafException, RecordedAt: day(2)}, {Kind: leafMerge, RecordedAt: day(12)}, {Kind: leafScope, RecordedAt: day(1)}} {
		l.Seq = int64([]int{0, 2, 4}[i])
		d.gone = append(d.gone, l)
	}
	for i, body := range []string{
		`{"v":1,"reason":"retention","why":"Records are kept for 60 days.","before":"2026-11-15T00:00:00Z","records":5,"kinds":{"decision":2,"merge":1,"exception":1,"scope":1},"leaves":[[0,2],[3,4]]}`,
		`{"v":1,"reason":"retention","deliveries":7}`,
		`{"v":1,"reason":"person","why":"=Request 1","by":{"user":"root","host":"h"},"observations":2}`,
	} {
		if err := d.certificateOf(ledger.Leaf{Seq: int64(20 + i), RecordedAt: day([]int{28, 28, 15}[i])}, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.settle(q); err != nil {
		t.Fatal(err)
	}
	if d.records != 2 || d.decisions != 2 {
		t.Errorf("%d records and %d decisions, want 2 and 2", d.records, d.decisions)
	}
	got, err := disposalsTable(d.certificates, q).csv()
	if err != nil {
		t.Fatal(err)
	}
	const want = `leaf,recorded_at,reason,why,by,from_before,kinds,leaves,events,payloads,records_of_bundle,decisions_of_period
20,2026-11-28T12:00:00Z,retention,Records are kept for 60 days.,the settings,2026-11-15T00:00:00Z,"decision: 2, exception: 1, merge: 1, scope: 1","0 to 2, 3 to 4",,,3,2
22,2026-11-15T12:00:00Z,person,'=Request 1,root on h,,,,2,,0,0
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := d.needed([]int64{5}); err != nil {
		t.Error(err)
	}
	if err := d.needed([]int64{3, 5}); err == nil || !strings.Contains(err.Error(), "the decision of leaf 3") {
		t.Errorf("a decision that is needed: %v", err)
	}
}
