package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

// cosigner is a witness that cosigns whatever it is given, as https://c2sp.org/tlog-cosignature says.
type cosigner struct {
	name string
	key  ed25519.PrivateKey
}

func newCosigner(name string) cosigner {
	return cosigner{name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte(name[:1]), ed25519.SeedSize))}
}

func (c cosigner) public() (text string, id []byte) {
	key := append([]byte{4}, c.key.Public().(ed25519.PublicKey)...)
	sum := sha256.Sum256([]byte(c.name + "\n" + string(key)))
	return fmt.Sprintf("%s+%x+%s", c.name, sum[:4], base64.StdEncoding.EncodeToString(key)), sum[:4]
}

// cosigned is a checkpoint's text with the signature of the witness, made at a time.
func (c cosigner) cosigned(text string, at uint64) CosignedCheckpoint {
	public, id := c.public()
	sig := binary.BigEndian.AppendUint64(bytes.Clone(id), at)
	sig = append(sig, ed25519.Sign(c.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...)
	return CosignedCheckpoint{Witness: public, Checkpoint: text + "\n— " + c.name + " " + base64.StdEncoding.EncodeToString(sig) + "\n"}
}

// grown is the log of a bundle with some leaves more: their checkpoint, and the proof that it extends
// the bundle's.
func (b *bundle) grown(t *testing.T, more int) (text string, proof []ledger.Hash) {
	t.Helper()
	var tree ledger.Rebuild
	var hashes storedHashes
	for _, line := range b.lines(fileLeaves) {
		hashes = append(hashes, tree.Append(bytes.TrimSuffix(line, []byte("\n")))...)
	}
	size, root := tree.Size(), tree.Root()
	for range more {
		hashes = append(hashes, tree.Append([]byte("a leaf"))...)
	}
	proof, err := ledger.Consistency(size, root, tree.Size(), tree.Root(), hashes)
	if err != nil {
		t.Fatal(err)
	}
	return ledger.Checkpoint{Origin: "countersign.demo/" + orgOf(t), Size: tree.Size(), Root: tree.Root()}.Text(), proof
}

// cosign replaces what is cosigned in the bundle.
func (b *bundle) cosign(t *testing.T, list ...CosignedCheckpoint) {
	t.Helper()
	encoded, err := encodeCosigned(list)
	if err != nil {
		t.Fatal(err)
	}
	b.files[fileCosigned] = encoded
}

// What witnesses cosigned counts if it is of all of the log, by keys that the auditor named.
func TestWitnessesOfABundle(t *testing.T) {
	one, two := newCosigner("alpha.example/w"), newCosigner("beta.example/w")
	first, _ := one.public()
	second, _ := two.public()
	b := testBundle(t)
	whole, _ := b.grown(t, 0)
	later, proof := b.grown(t, 3)
	early, _, _ := strings.Cut(string(b.early), "\n\n")
	of, _ := b.verify(t, b.trust())
	size := of.Manifest.LogSize
	beyond := two.cosigned(later, 7)
	beyond.Proof = proof
	_, earlySize := nameAndSize(b.early)
	for what, tt := range map[string]struct {
		list   []CosignedCheckpoint
		named  []string
		needed int
		leaves []int64
		want   string
	}{
		"all of it":                        {[]CosignedCheckpoint{one.cosigned(whole, 5)}, []string{first}, 1, []int64{size}, ""},
		"a longer log":                     {[]CosignedCheckpoint{one.cosigned(whole, 5), beyond}, []string{first, second}, 2, []int64{size, size}, ""},
		"by a key that nobody named":       {[]CosignedCheckpoint{one.cosigned(whole, 5)}, []string{second}, 1, nil, "0 of the 1 witnesses that you named cosigned all"},
		"nobody asked":                     {[]CosignedCheckpoint{one.cosigned(whole, 5)}, nil, 0, []int64{size}, ""},
		"its beginning":                    {[]CosignedCheckpoint{one.cosigned(early+"\n", 5)}, []string{first}, 0, []int64{earlySize}, ""},
		"its beginning, and all is needed": {[]CosignedCheckpoint{one.cosigned(early+"\n", 5)}, []string{first}, 1, nil, "0 of the 1 witnesses"},
		"nothing, and one is needed":       {nil, []string{first}, 1, nil, "and 1 are needed"},
		"nothing":                          {nil, []string{first}, 0, []int64{}, ""},
	} {
		b := testBundle(t)
		b.cosign(t, tt.list...)
		trust := b.trust()
		trust.Witnesses, trust.WitnessesNeeded = tt.named, tt.needed
		got, err := b.verify(t, trust)
		if tt.want != "" {
			wantBroken(t, err, fileCosigned, tt.want)
			continue
		}
		if err != nil || len(got.Cosigned) != len(tt.leaves) {
			t.Errorf("%s: got %+v, %v", what, got.Cosigned, err)
			continue
		}
		for i, c := range got.Cosigned {
			if c.Leaves != tt.leaves[i] || c.Named != (tt.named != nil) || c.At.Unix() != []int64{5, 7}[i] {
				t.Errorf("%s: got %+v, want %d leaves", what, c, tt.leaves[i])
			}
		}
	}
}

// A file of cosignatures that is not what witnesses cosigned of this log is refused.
func TestForgedCosignatures(t *testing.T) {
	one := newCosigner("alpha.example/w")
	b := testBundle(t)
	whole, _ := b.grown(t, 0)
	later, proof := b.grown(t, 3)
	good, longer := one.cosigned(whole, 5), one.cosigned(later, 5)
	with := func(c CosignedCheckpoint, alter func(c *CosignedCheckpoint)) []byte {
		alter(&c)
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		return append(line, '\n')
	}
	as := func(*CosignedCheckpoint) {}
	other, _ := newCosigner("beta.example/w").public()
	for what, tt := range map[string]struct {
		content []byte
		want    string
	}{
		"twice":                   {append(with(good, as), with(good, as)...), "there twice"},
		"another key":             {with(good, func(c *CosignedCheckpoint) { c.Witness = other }), "no known key"},
		"no key":                  {with(good, func(c *CosignedCheckpoint) { c.Witness = "x" }), "no key of a witness"},
		"another size":            {with(good, func(c *CosignedCheckpoint) { c.Checkpoint = later + c.Checkpoint[len(whole):] }), "not a valid checkpoint"},
		"another log":             {with(one.cosigned("other.example/7"+whole[strings.Index(whole, "\n"):], 5), as), "which is another"},
		"another root":            {with(one.cosigned(ledger.Checkpoint{Origin: "countersign.demo/" + orgOf(t), Size: 3}.Text(), 5), as), "it was rewritten"},
		"a longer log, no proof":  {with(longer, as), "proof does not hold"},
		"a longer log, no such":   {with(longer, func(c *CosignedCheckpoint) { c.Proof = append(proof[:len(proof)-1:len(proof)-1], ledger.Hash{}) }), "proof does not hold"},
		"a proof that says none":  {with(good, func(c *CosignedCheckpoint) { c.Proof = proof }), "does not cosign the leaves"},
		"cosigned after all time": {with(one.cosigned(whole, 1<<60), as), "seconds after 1970"},
		"another spelling":        {append([]byte(" "), with(good, as)...), "not in the form"},
		"something more":          {bytes.Replace(with(good, as), []byte(`{"witness"`), []byte(`{"x":1,"witness"`), 1), "no cosigned checkpoint"},
		"an empty line":           {append(with(good, as), '\n'), "no cosigned checkpoint"},
		"too much":                {bytes.Repeat([]byte("x"), maxCosigned+1), "larger than"},
	} {
		b := testBundle(t)
		b.files[fileCosigned] = tt.content
		_, err := b.verify(t, b.trust())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), fileCosigned) {
			t.Errorf("%s: got %v, want %q", what, err, tt.want)
		}
	}
	delete(b.files, fileCosigned)
	_, err := b.verify(t, b.trust())
	wantBroken(t, err, fileCosigned, "missing")
}
