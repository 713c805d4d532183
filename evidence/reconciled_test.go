package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/ledger"
)

// The records are read as they are written, and nothing that is not known is passed over.
func TestRecordsOfComparisons(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("..", "store", "testdata", "reconcile.golden"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	leaf := ledger.Leaf{V: ledger.LeafVersion, Kind: leafReconcile, Seq: 7, RecordedAt: at}
	r, err := reconcileOf(leaf, golden)
	if err != nil {
		t.Fatal(err)
	}
	q := Query{From: at, To: at.Add(time.Hour)}
	got := reconciledWithin([]reconcileRecord{r}, q)
	if got == nil || got.Found != 2 || len(got.Records) != 1 || got.Records[0].Leaf != 7 || !got.Records[0].First || !got.Records[0].ByHand || got.Records[0].Found["head-not-told"] != 1 {
		t.Errorf("got %+v", got)
	}
	q.From = at.Add(time.Minute)
	if got := reconciledWithin([]reconcileRecord{r}, q); got != nil || q.wanted(leaf) {
		t.Errorf("before the period: %+v", got)
	}
	text := strings.TrimSpace(string(golden))
	for name, wrong := range map[string]string{
		"another version":    strings.Replace(text, `"v":1`, `"v":2`, 1),
		"an unknown field":   strings.Replace(text, `"v":1`, `"v":1,"more":1`, 1),
		"an unknown finding": strings.Replace(text, `"what":"head-not-told",`, `"what":"head-not-told","more":1,`, 1),
		"no kind":            strings.Replace(text, `"what":"head-not-told",`, ``, 1),
		"nothing was found":  text[:strings.Index(text, `"found"`)] + `"found":[]}`,
		"something after it": text + "{}",
		"no repository":      strings.Replace(text, `"repository_id":77`, `"repository_id":0`, 1),
	} {
		if _, err := reconcileOf(leaf, []byte(wrong)); wrong == text || err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
}
