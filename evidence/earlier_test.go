package evidence

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// What is known of the time before a branch was enrolled is what its records say together, and no
// more than the least of them.
func TestWhatIsKnownFromBefore(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	on := func(d int) time.Time { return begin.AddDate(0, 0, d) }
	read := func(ref string, from, until int, why string, names ...any) historyRead {
		h := historyRead{RepositoryID: 1, Ref: ref, Since: begin, Until: on(until), ReadFrom: on(from), Why: why}
		for i := 0; i < len(names); i += 2 {
			h.Names = append(h.Names, struct {
				Ref   string    `json:"ref"`
				Until time.Time `json:"until"`
			}{names[i].(string), on(names[i+1].(int))})
		}
		return h
	}
	refused := read("main", 0, 100, "refused")
	refused.ReadFrom = time.Time{}
	for _, tt := range []struct {
		name    string
		records []historyRead
		want    string // from when on, in days, and why not more
	}{
		{"no record", nil, "nothing: " + historyNotRead},
		{"all of it", []historyRead{read("main", 0, 100, "")}, "10: "},
		{"a part", []historyRead{read("main", 40, 100, "kept no longer")}, "40: kept no longer"},
		{"nothing", []historyRead{refused}, "nothing: refused"},
		{"nothing, and then a part", []historyRead{refused, read("main", 40, 100, "kept no longer")}, "40: kept no longer"},
		{"a part, and then all", []historyRead{read("main", 40, 100, "kept no longer"), read("main", 0, 100, "")}, "10: "},
		{"all, and then less", []historyRead{read("main", 0, 100, ""), read("main", 40, 100, "kept no longer")}, "10: "},
		{"of an enrolment before", []historyRead{read("main", 0, 50, "")}, "nothing: " + historyNotRead},
		{"of a later enrolment", []historyRead{read("main", 0, 150, "")}, "10: "},
		{"asked for from later on", []historyRead{func() historyRead { h := read("main", 30, 100, ""); h.Since = on(30); return h }()}, "30: It was asked for from 2026-01-31T00:00:00Z on."},
		{"another name", []historyRead{read("main", 0, 100, "", "master", 60), read("master", 0, 60, "")}, "10: "},
		{"another name that is not read yet", []historyRead{read("main", 0, 100, "", "master", 60)}, "60: " + historyNotRead},
		{"another name of which a part is known", []historyRead{read("main", 0, 100, "", "master", 60), read("master", 20, 60, "kept no longer")}, "20: kept no longer"},
		{"two names in turn", []historyRead{read("main", 0, 100, "", "trunk", 80, "master", 60), read("trunk", 0, 80, "", "main", 70), read("master", 0, 60, "")}, "10: "},
		{"of another branch", []historyRead{read("other", 0, 100, "")}, "nothing: " + historyNotRead},
	} {
		l := branchLine{Enrolled: []enrolled{{From: on(100), key: branchKey(1, "main")}}}
		got := l.unenrolledIn(Query{From: on(10), To: on(200)}, historiesIn(tt.records), nil)
		if len(got) != 1 || !got[0].From.Equal(on(10)) || !got[0].To.Equal(on(100)) {
			t.Fatalf("%s: %+v", tt.name, got)
		}
		from := "nothing"
		if at := got[0].ReadFrom; !at.IsZero() {
			from = fmt.Sprint(int(at.Sub(begin) / (24 * time.Hour)))
		}
		if said := from + ": " + got[0].Why; said != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, said, tt.want)
		}
	}
}

// The times before a branch was enrolled are those that no enrolment covers.
func TestWhenABranchWasNotEnrolled(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	on := func(d int) time.Time { return begin.AddDate(0, 0, d) }
	span := func(from, to int) enrolled {
		e := enrolled{From: on(from), key: branchKey(1, "main")}
		if to > 0 {
			e.To = on(to)
		}
		return e
	}
	for _, tt := range []struct {
		name     string
		enrolled []enrolled
		next     int // when it was enrolled after the period; 0: it was not
		want     string
	}{
		{"all the time", []enrolled{span(-5, 0)}, 0, ""},
		{"from within on", []enrolled{span(30, 0)}, 0, "0-30 "},
		{"in two modes", []enrolled{span(30, 40), span(40, 0)}, 0, "0-30 "},
		{"until within", []enrolled{span(-5, 50)}, 0, ""},
		{"twice", []enrolled{span(-5, 50), span(60, 0)}, 0, "50-60 "},
		{"twice, the second time after the period", []enrolled{span(-5, 50)}, 200, "50-100 "},
		{"after the period", nil, 200, "0-100 "},
		{"never", nil, 0, ""},
	} {
		var next *enrolment
		if tt.next > 0 {
			next = &enrolment{RepositoryID: 1, Ref: "main", From: on(tt.next)}
		}
		l := branchLine{Enrolled: tt.enrolled}
		got := ""
		for _, u := range l.unenrolledIn(Query{From: begin, To: on(100)}, nil, next) {
			got += fmt.Sprintf("%d-%d ", int(u.From.Sub(begin)/(24*time.Hour)), int(u.To.Sub(begin)/(24*time.Hour)))
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// An update that is judged stays judged, whatever was read of it afterwards; what was read twice
// counts once; and a record of what came before cannot claim that something let it in.
func TestWhatWasReadAfterwardsNeverReplacesAJudgement(t *testing.T) {
	p := newPeriod(t, nil)
	passed := merged(101, p.decide(p.facts(101, nil)))
	p.update(policy.UpdateMerge, []policy.MergedChange{passed}, nil)
	p.update(policy.UpdatePush, nil, nil)
	earlier := func(id int64, number int) {
		f := policy.UpdateFacts{V: policy.UpdateVersion, RepositoryID: 1, Repository: "acme/app", Ref: "main", ID: id, Type: policy.UpdateMerge, At: day(3), Mode: policy.ModeEnforce}
		claimed := passed
		claimed.Number = number
		f.Changes = policy.List[policy.MergedChange]{Complete: true, Total: 1, Items: []policy.MergedChange{claimed}}
		f.Group = passed.Before
		p.record(leafBackfilled, p.encode(map[string]any{"v": 1, "update": f, "findings": []policy.Finding{}}))
	}
	judged := p.contents.changes[1].update.id
	earlier(judged, 101)
	earlier(judged+1000, 7)
	earlier(judged+1000, 8)
	earlier(judged+1, 9)
	p.update(policy.UpdatePush, nil, nil) // that one, read before it was judged
	f := p.findings()
	var got []string
	for _, c := range f.changes {
		got = append(got, fmt.Sprintf("#%d %t %t %s %s", c.number, c.deviates(), c.deciding() >= 0, c.stratum(), c.tested()))
	}
	want := []string{"#101 false true " + f.changes[0].stratum() + " yes", "#0 true false no pull request yes", "#0 true false no pull request yes", "#7 false false before installation not testable: before installation"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if c := f.counts; c.Population != 4 || c.BeforeInstallation != 1 || c.Deviations != 2 || c.Undecided != 0 {
		t.Errorf("counts %+v", c)
	}
	if r := f.populationResults().All; r.Tested != 3 || r.NotTestable != 1 || *r.Rate != 66_667 {
		t.Errorf("results %+v", r)
	}
}
