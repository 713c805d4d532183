package ledger

import "testing"

func TestCovers(t *testing.T) {
	c := Covers{{Run{7, 7}, 20}, {Run{0, 2}, 10}, {Run{4, 6}, 20}}
	if both := c.Sort(); both != nil {
		t.Errorf("%v overlap", both)
	}
	if got := c[0].Run.Len() + c[1].Run.Len() + c[2].Run.Len(); got != 7 {
		t.Errorf("they are of %d, want 7", got)
	}
	if got := RunsText([]Run{c[0].Run, c[2].Run, {9, 10}}); got != "0 to 2, 7, 9 to 10" {
		t.Errorf("got %q", got)
	}
	for i, want := range map[int64]int64{0: 10, 2: 10, 4: 20, 5: 20, 6: 20, 7: 20} {
		if got, ok := c.Find(i); !ok || got.Certificate != want {
			t.Errorf("%d: got %+v, %v, want %d", i, got, ok, want)
		}
	}
	for _, i := range []int64{-1, 3, 8} {
		if got, ok := c.Find(i); ok {
			t.Errorf("%d: got %+v, want none", i, got)
		}
	}
	c = append(c, Cover{Run{2, 3}, 30})
	if both := c.Sort(); len(both) != 2 || both[0].Certificate != 10 || both[1].Certificate != 30 {
		t.Errorf("got %v, want the two that both cover 2", both)
	}
}
