package worker

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// However much there is, a reading stays small, judges the newest of each branch and then the newest,
// and counts what it leaves out. It is the same when it is kept and taken up again.
func TestFirstDayReadingIsBounded(t *testing.T) {
	const repositories, each = 400, 10
	began := time.Unix(1e9, 0)
	r := newFirstDayReading("acme", began, began.AddDate(0, 0, -90))
	var list []gh.ListedRepository
	for i := range repositories {
		list = append(list, gh.ListedRepository{ID: int64(i + 1), FullName: fmt.Sprint("acme/r", i), Archived: i == 0})
	}
	r.begin(began, list)
	for len(r.ToLook) > 0 {
		if r.Stage != store.FirstDayStageLook {
			t.Fatalf("stage %q", r.Stage)
		}
		repo := r.ToLook[0]
		var open []merged
		for n := range each {
			m := merged{Repo: repo, Number: n + 1, BaseRef: "main", HeadSHA: "h", MergedAt: began.Add(-time.Duration(repo.ID*100+int64(each-n)) * time.Minute)}
			if n%2 == 1 {
				m.BaseRef = "dev"
			}
			open = append(open, m)
		}
		r.looked(open, 1, "")
		kept, err := json.Marshal(r)
		if err != nil || len(kept) > 1<<20 {
			t.Fatalf("%d bytes are kept: %v", len(kept), err)
		}
		r = &firstDayReading{}
		if err := json.Unmarshal(kept, r); err != nil {
			t.Fatal(err)
		}
	}
	const looked = repositories - 1
	if done, total := r.progress(); done != looked || total != looked {
		t.Errorf("looked through %d of %d", done, total)
	}
	r.chooseNewest()
	judgeAll := func() (n int) {
		for ; len(r.ToJudge) > 0; n++ {
			m := r.ToJudge[0]
			r.judged(judged{merged: m, outside: m.BaseRef == "dev", Hindsight: policy.Hindsight{Answer: policy.HindsightNothing}}, policy.App{})
		}
		return n
	}
	if n := judgeAll(); n != maxFirstDayChanges {
		t.Errorf("%d branches are judged", n)
	}
	r.chooseRest()
	if n := judgeAll(); n != 0 {
		t.Errorf("%d more are judged, and there was no room", n)
	}
	r.end(began)
	p := r.Report
	if p.All.Looked != maxFirstDayChanges/2 || p.NotEnrolled != maxFirstDayChanges/2*each/2 || p.Decided != looked || p.Repositories != looked {
		t.Errorf("got %+v", p)
	}
	if sum := p.All.Looked + p.NotEnrolled + p.Left; sum != looked*each {
		t.Errorf("%d were merged, and %d are counted", looked*each, sum)
	}
}

// With few branches all that fits is judged, the newest first, and what is of no policy makes no room less.
func TestFirstDayReadingChoosesTheNewest(t *testing.T) {
	began := time.Unix(1e9, 0)
	r := newFirstDayReading("acme", began, began.AddDate(0, 0, -90))
	r.begin(began, []gh.ListedRepository{{ID: 1, FullName: "acme/shop"}})
	var open []merged
	for n := range 500 {
		m := merged{Repo: r.ToLook[0], Number: n + 1, BaseRef: "main", MergedAt: began.Add(time.Duration(n-500) * time.Minute)}
		if n%5 == 0 {
			m.BaseRef = "dev"
		}
		open = append(open, m)
	}
	r.looked(open, 0, "Not all of it.")
	r.chooseNewest()
	var order []int
	for range 2 {
		for len(r.ToJudge) > 0 {
			m := r.ToJudge[0]
			order = append(order, m.Number)
			r.judged(judged{merged: m, outside: m.BaseRef == "dev", Hindsight: policy.Hindsight{Answer: policy.HindsightNothing}}, policy.App{})
		}
		if !r.RestChosen {
			r.chooseRest()
		}
	}
	r.end(began)
	if p := r.Report; len(order) != maxFirstDayChanges || p.All.Looked != maxFirstDayChanges-1 || p.NotEnrolled != 100 || p.Left != 500-100-p.All.Looked || len(p.Unread) != 1 {
		t.Errorf("%d are judged: %+v", len(order), p)
	}
	if fmt.Sprint(order[:4]) != "[500 496 499 498]" {
		t.Errorf("in the order %v", order[:4])
	}
}
