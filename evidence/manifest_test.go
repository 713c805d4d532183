package evidence

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// The list of files is written by hand as json.MarshalIndent writes it, and read back.
func TestManifestForm(t *testing.T) {
	digest := digestOf(nil)
	for _, files := range [][]FileInfo{
		nil, {}, {{}}, {{"a.csv", digest, 0}}, {{"a.csv", digest, 7}, {blobs + digest, digest, 1 << 40}, {"b/c_d-e.f", "none", -1}},
		{{`quo"te`, `back\slash`, 1}, {"<&>", "é\u2028", 2}, {"\x80\n", "", 3}},
	} {
		m := Manifest{V: 1, Origin: "<log>", Limits: limits(), Files: files}
		want, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		got, err := m.encode()
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("got %s, %v, want %s", got, err, want)
		}
		back, err := decodeManifest(got)
		if err != nil {
			t.Fatal(err)
		}
		var slow Manifest
		if err := json.Unmarshal(want, &slow); err != nil || !reflect.DeepEqual(back, slow) {
			t.Errorf("got %+v, want %+v, %v", back, slow, err)
		}
	}
}

// Whatever somebody writes is a manifest in its one form for encoding/json too, and the same one, or
// it is for neither.
func FuzzManifest(f *testing.F) {
	digest := digestOf(nil)
	m := Manifest{V: 1, Origin: "log", Files: []FileInfo{{"a.csv", digest, 7}, {blobs + digest, digest, 1 << 40}}}
	good, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for _, cut := range []string{"[\n    {", "\n  ]", `"sha256"`, ",\n    {"} {
		f.Add(bytes.Replace(good, []byte(cut), nil, 1))
		f.Add(bytes.Replace(good, []byte(cut), []byte(cut+cut), 1))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := decodeManifest(raw)
		again, encodeErr := m.encode()
		taken := err == nil && encodeErr == nil && bytes.Equal(again, raw)
		var slow Manifest
		err = strictly(raw, &slow)
		want, encodeErr := json.MarshalIndent(slow, "", "  ")
		wanted := err == nil && encodeErr == nil && bytes.Equal(append(want, '\n'), raw)
		if taken != wanted || taken && !reflect.DeepEqual(m, slow) {
			t.Errorf("%q gives %t, %+v, and with encoding/json %t, %+v", raw, taken, m, wanted, slow)
		}
	})
}
