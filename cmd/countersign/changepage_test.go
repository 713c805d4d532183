package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func (b bundle) testChangePages(t *testing.T) {
	rows := b.table(t, "sample.csv")
	if pages := b.named(t, "changes/*.html"); len(pages) != len(rows) || len(rows) < 6 {
		t.Fatalf("%d pages of %d changes in the sample: %v", len(pages), len(rows), pages)
	}
	for _, c := range []struct {
		page string
		says []string
	}{
		{"acme-shop-4", []string{
			"No deviation was found. A decision let the change in", "bob (id ", "an AI agent (copilot-cloud-agent)", "People who did not write or request it approved it",
			"human-review, revision 1 CC8.1 held", "initiator: assigned the agent", "tests success",
		}},
		{"acme-sandbox-1", []string{
			"Deviation.", "merged-while-failing high", "did not hold The branch main can be changed in other ways", "State at the end of the period: remediated", "Reviewed after the merge by bob",
			"It does not undo the deviation",
		}},
		{"acme-sandbox-update", []string{"Deviation. The branch was changed without a pull request", "direct-push", "dave pushed to main directly", "There is none: no decision was recorded"}},
	} {
		got := b.text(t, b.pageOf(t, c.page))
		for _, want := range c.says {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", c.page, want, got)
			}
		}
	}
}

var (
	leafCell   = regexp.MustCompile(`index (\d+) in log/decisions\.jsonl`)
	digestCell = regexp.MustCompile(`Digest of salt and record ([0-9a-f]{64})`)
	hashCell   = regexp.MustCompile(`Hash of the leaf ([0-9a-f]{64})`)
	pathCell   = regexp.MustCompile(`(left|right) ([0-9a-f]{64})`)
	rootCell   = regexp.MustCompile(`leaves is ([0-9a-f]{64})`)
)

// The page's way to check the proof by hand, done by hand.
func (b bundle) testProof(t *testing.T) {
	says := b.text(t, b.pageOf(t, "acme-shop-4"))
	proof, _, _ := strings.Cut(says[strings.Index(says, " Proof "):], "Leaf "+lastLeaf(says))
	cell := func(re *regexp.Regexp) string {
		m := re.FindStringSubmatch(proof)
		if m == nil {
			t.Fatalf("%s is not in %s", re, proof)
		}
		return m[1]
	}
	index, err := strconv.Atoi(cell(leafCell))
	if err != nil {
		t.Fatal(err)
	}
	digest := ""
	for line := range bytes.Lines(b["log/decisions.jsonl"]) {
		var r struct {
			Index      int
			Salt, Body []byte
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Index == index {
			digest = sum(r.Salt, r.Body)
		}
	}
	leaf := bytes.Split(b["log/leaves.jsonl"], []byte("\n"))[index]
	if digest != cell(digestCell) || !bytes.Contains(leaf, []byte(`"body_sha256":"`+digest+`"`)) {
		t.Errorf("digest of the record: got %s, the page has %s and the leaf is %s", digest, cell(digestCell), leaf)
	}
	hash := sum([]byte{0}, leaf)
	if hash != cell(hashCell) {
		t.Errorf("hash of the leaf: got %s, the page has %s", hash, cell(hashCell))
	}
	steps := pathCell.FindAllStringSubmatch(proof, -1)
	if len(steps) < 6 {
		t.Fatalf("the path has %d steps", len(steps))
	}
	for _, step := range steps {
		left, right := unhex(t, hash), unhex(t, step[2])
		if step[1] == "left" {
			left, right = right, left
		}
		hash = sum([]byte{1}, left, right)
	}
	if hash != cell(rootCell) {
		t.Errorf("the path leads to %s, and the page has the root %s", hash, cell(rootCell))
	}
}

// lastLeaf is the leaf of the last proof of a page.
func lastLeaf(says string) string {
	all := regexp.MustCompile(`Leaf (\d+):`).FindAllStringSubmatch(says, -1)
	return all[len(all)-1][1] + ":"
}

func sum(parts ...[]byte) string {
	d := sha256.Sum256(bytes.Join(parts, nil))
	return hex.EncodeToString(d[:])
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
