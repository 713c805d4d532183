package policy

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with a golden file, or rewrites it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (go test -update rewrites it; -want +got):\n%s", path, diff)
	}
}

func TestSchemaIsGeneratedFromThePolicy(t *testing.T) {
	r := jsonschema.Reflector{ExpandedStruct: true, RequiredFromJSONSchemaTags: true}
	s := r.Reflect(&Policy{})
	s.ID = "https://github.com/countersign/countersign/policy/schema.json"
	s.Title = "Countersign policy (" + Path + ")"
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	golden(t, "schema.json", got)
	if !*update && !bytes.Equal(got, Schema()) {
		t.Error("Schema() is not the generated schema")
	}
}

// schemaKeys are the keys of each mapping of the schema, by its path in the policy.
func schemaKeys(t *testing.T) map[string][]string {
	t.Helper()
	type node struct {
		Ref        string           `json:"$ref"`
		Properties map[string]*node `json:"properties"`
		Items      *node            `json:"items"`
		Defs       map[string]*node `json:"$defs"`
		Additional any              `json:"additionalProperties"`
	}
	var root node
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	var walk func(path string, n *node)
	walk = func(path string, n *node) {
		if n.Ref != "" {
			n = root.Defs[strings.TrimPrefix(n.Ref, "#/$defs/")]
		}
		if n.Items != nil {
			walk(path+"[0]", n.Items)
		}
		if n.Properties == nil {
			return
		}
		if n.Additional != false {
			t.Errorf("%q of the schema allows other keys", path)
		}
		out[path] = slices.Sorted(maps.Keys(n.Properties))
		for key, child := range n.Properties {
			walk(join(path, key), child)
		}
	}
	walk("", &root)
	return out
}

// Every key of the schema is known to Parse, and Parse knows no other: an unknown key
// makes Parse list those that it knows.
func TestSchemaAndParseKnowTheSameKeys(t *testing.T) {
	for path, keys := range schemaKeys(t) {
		src := "version: 1\nmode: audit\nbranches: [main]\n" + nest(path, "zzzzzzzzzzzz: 1")
		if path == "" {
			src += "zzzzzzzzzzzz: 1\n"
		}
		_, err := Parse([]byte(src))
		if err == nil {
			t.Errorf("Parse accepts an unknown key at %q:\n%s", path, src)
			continue
		}
		var known []string
		for _, p := range err.(*ParseError).Problems {
			if list, ok := strings.CutPrefix(p.Hint, "keys: "); ok && strings.HasSuffix(p.Path, "zzzzzzzzzzzz") {
				known = strings.Split(list, ", ")
			}
		}
		slices.Sort(known)
		if !slices.Equal(known, keys) {
			t.Errorf("keys at %q: Parse knows %v, the schema %v", path, known, keys)
		}
	}
}

// nest writes a mapping at a path in flow style.
func nest(path, inner string) string {
	if path == "" {
		return ""
	}
	keys := strings.Split(path, ".")
	out := "{" + inner + "}"
	for _, key := range slices.Backward(keys) {
		name, list := strings.CutSuffix(key, "[0]")
		if list {
			out = "[" + out + "]"
		}
		out = "{" + name + ": " + out + "}"
	}
	return strings.TrimSuffix(strings.TrimPrefix(out, "{"), "}") + "\n"
}
