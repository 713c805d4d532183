package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/policy"
)

// decoder is a type that is decoded quickly.
type decoder struct {
	form  func(src []byte) bool // says whether the quick form suffices
	quick func(src []byte) (any, error)
	slow  func(src []byte) (any, error) // json.Unmarshal
}

func decoderOf[T any]() decoder {
	read, form, decode := &quick{}, formOf(reflect.TypeFor[T](), nil), quickly[T]()
	return decoder{
		func(src []byte) bool {
			read.src, read.at = src, 0
			return form(read, reflect.ValueOf(new(T)).Elem()) && read.at == len(src)
		},
		func(src []byte) (any, error) {
			out, err := decode(src)
			return *out, err
		},
		func(src []byte) (any, error) {
			var out T
			err := json.Unmarshal(src, &out)
			return out, err
		},
	}
}

// same compares what a text is decoded to with what json.Unmarshal makes of it: both take it, for
// the same value, or neither does. Quick says whether it was not left to that.
func (d decoder) same(t *testing.T, src []byte) (quick bool) {
	t.Helper()
	got, err := d.quick(src)
	want, wantErr := d.slow(src)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Errorf("%.2000q gives %v, and json.Unmarshal says %v", src, err, wantErr)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%.2000q (-want +got):\n%s", src, cmp.Diff(want, got))
	}
	return d.form(src)
}

// odd is a type with whatever a quick form knows.
type odd struct {
	S  string    `json:"s"`
	Ss []string  `json:"ss,omitempty"`
	N  int       `json:"n_1"`
	B  bool      `json:"b"`
	At time.Time `json:"at,omitzero"`
	P  *struct {
		L []struct {
			X int64 `json:"x"`
		} `json:"l"`
	} `json:"p"`
}

func quickTypes() map[string]decoder {
	return map[string]decoder{
		"odd": decoderOf[odd](), "facts": decoderOf[policy.Facts](), "group": decoderOf[policy.GroupFacts](), "decision": decoderOf[policy.Decision](),
		"update": decoderOf[mergeBody](), "record": decoderOf[decisionBody](),
	}
}

// written is JSON of each type that the program wrote.
func written(t testing.TB) map[string][][]byte {
	t.Helper()
	b, out := testBundle(t), map[string][][]byte{}
	for _, file := range []string{fileDecisions, fileRecords} {
		for _, line := range b.lines(file) {
			r, err := decodeRecordLine(bytes.TrimSuffix(line, []byte("\n")))
			if err != nil {
				t.Fatal(err)
			}
			var body decisionBody
			if err := json.Unmarshal(r.Body, &body); err != nil {
				t.Fatal(err)
			}
			switch {
			case file == fileDecisions:
				out["record"] = append(out["record"], r.Body)
				out["decision"] = append(out["decision"], b.files[blobs+body.DecisionSHA256])
				kind := "facts"
				if body.Number == 0 {
					kind = "group"
				}
				out[kind] = append(out[kind], b.files[blobs+body.FactsSHA256])
			case bytes.HasPrefix(r.Body, []byte(`{"v":1,"update":`)):
				out["update"] = append(out["update"], r.Body)
			}
		}
	}
	return out
}

// What the program writes is decoded quickly, all of it, and as json.Unmarshal does. Whatever is
// done to a byte of it, it is decoded as there, or left to that.
func TestQuickly(t *testing.T) {
	types := quickTypes()
	for kind, texts := range written(t) {
		for _, src := range texts {
			if !types[kind].same(t, src) {
				t.Errorf("%s is left to json.Unmarshal: %s", kind, src)
			}
		}
		src := texts[0]
		for i := 0; i < len(src); i += 1 + len(src)/100 {
			for _, other := range []string{"", "\"", "\\", " ", "0", "-", ",", "}", "[", "null", "\x80", "é", "\x00", string(src[i]) + string(src[i]), string(src[i] ^ 0x20)} {
				types[kind].same(t, append(append(bytes.Clone(src[:i]), other...), src[i+1:]...))
			}
		}
	}
}

// Texts that somebody may write, and whether they are decoded quickly.
func TestQuicklyOddTexts(t *testing.T) {
	odd := quickTypes()["odd"]
	for src, want := range map[string]bool{
		`{}`: true, `{"s":"a"}`: true, `{"s":"","ss":["a","b","a"],"n_1":-12,"b":true,"at":"2026-11-26T01:02:03.000004Z","p":{"l":[{"x":1},{"x":999999999999999999}]}}`: true,
		`{"ss":[],"p":null}`: true, `{"ss":null}`: true, `{"b":false}`: true, `{"s":"<\u003c\n\"\\ é"}`: true, `{"s":"\ud800"}`: true, `{"v":1,"s":"a","w":"x","y":null}`: true, `{"n_1":-0}`: true,
		`{"s":"\q"}`: false, "{\"s\":\"\x80\"}": false, "{\"s\":\"\x01\"}": false, `{"s":"a`: false, `{"s":"a\`: false, `{"s":null}`: false, `{"s":1}`: false,
		`{"n_1":01}`: false, `{"n_1":1.0}`: false, `{"n_1":1e3}`: false, `{"n_1":-}`: false, `{"n_1":9999999999999999999}`: false, `{"n_1":1234567890123456789}`: false, `{"n_1":"1"}`: false,
		`{"b":1}`: false, `{"at":"yesterday"}`: false, `{"at":null}`: false, `{"at":"2026-11-26t01:02:03Z"}`: false,
		`{"b":true,"s":"a"}`: false, `{"s":"a","s":"b"}`: false, `{"S":"a"}`: false, `{"\u0073":"a"}`: false, `{"ſ":"a"}`: false,
		`{"v":{}}`: false, `{"v":[]}`: false, `{"v":"true}`: false, `{"v":-true}`: false, `{"v":"12}`: false, `{"v":-"a"}`: false, `{"v":tru}`: false, `{"v"}`: false, `{v:1}`: false, `{"v":1.5}`: false,
		`{"s":"a",}`: false, `{,}`: false, `{"ss":["a",]}`: false, `{"ss":[,]}`: false, `{"ss":["a"}`: false, `{"s":"a"`: false, `{"s" :"a"}`: false, `{"s": "a"}`: false, ` {}`: false, `{} `: false, `{}{}`: false,
		`null`: false, ``: false, `[]`: false, `""`: false,
	} {
		if got := odd.same(t, []byte(src)); got != want {
			t.Errorf("%s: decoded quickly: %t, want %t", src, got, want)
		}
	}
}

// Types whose JSON is not known have no quick form.
func TestNoQuickForm(t *testing.T) {
	type list struct {
		Next *list `json:"next"`
	}
	for _, of := range []any{map[string]int{}, 1.5, [2]int{}, []byte{}, json.Number(""), Seed{}, Rate(0), struct{ A int }{}, struct {
		A int `json:"a,string"`
	}{}, struct {
		A int `json:"-"`
	}{}, struct {
		A int `json:"a&b"`
	}{}, struct{ odd }{}, list{}, struct {
		A any `json:"a"`
	}{}} {
		if formOf(reflect.TypeOf(of), nil) != nil {
			t.Errorf("%T has one", of)
		}
	}
	of := func(name string) reflect.StructField {
		return reflect.StructField{Name: name, Type: reflect.TypeFor[int](), Tag: `json:"a"`}
	}
	if formOf(reflect.StructOf([]reflect.StructField{of("A")}), nil) == nil || formOf(reflect.StructOf([]reflect.StructField{of("A"), of("B")}), nil) != nil {
		t.Error("two fields of one name have one, or one field has none")
	}
	type whole struct {
		Of map[string]int `json:"of"`
	}
	got, err := quickly[whole]()([]byte(`{"of":{"a":1}}`))
	if err != nil || got.Of["a"] != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// Whatever the bytes are, each type is decoded from them as json.Unmarshal does, or refused as there.
func FuzzQuickly(f *testing.F) {
	types := quickTypes()
	f.Add([]byte(`{"v":1,"number":7,"facts_sha256":"0f","policy_sha256":"","catalogue_sha256":"a","decision_sha256":"b","repository":"acme/shop"}`))
	f.Add([]byte(`{"v":1,"update":{"v":1,"repository_id":5,"ref":"main","id":9,"at":"2026-11-26T01:02:03Z","actor":{"id":1,"login":"bob"},"changes":{"complete":true,"items":[{"number":7}]}},"findings":[]}`))
	f.Add([]byte(`{"v":1,"repository":{"id":5,"name":"acme/shop"},"change":{"number":7},"commits":{"complete":true,"items":[{"sha":"0f","co_authors":null}]},"pushes":[]}`))
	f.Add([]byte(`{"s":"","ss":["a","b","a"],"n_1":-12,"b":true,"at":"2026-11-26T01:02:03.000004Z","p":{"l":[{"x":1}]},"v":1}`))
	f.Add([]byte(`{"s":"\u00e9","S":"a","s":"b","\u0073":"c","x":1.5e3,"ss":null,"at":null}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		for _, d := range types {
			d.same(t, src)
		}
	})
}
