package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// corpus is where the cases are; its README.md says how to read one.
const corpus = "../testdata/policy/"

// scenario is one case: what was known, under which policy, and what is decided.
type scenario struct {
	name    string
	archive *txtar.Archive
	policy  *Policy
	facts   *Facts
	want    string
}

// file is the content of a file of an archive.
func file(a *txtar.Archive, name string) ([]byte, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// base is the case that all others are written as differences from.
func base(t testing.TB) (policySource []byte, facts any) {
	t.Helper()
	a, err := txtar.ParseFile(corpus + "base/base.txtar")
	if err != nil {
		t.Fatal(err)
	}
	policySource, _ = file(a, "policy.yml")
	src, _ := file(a, "facts.json")
	if err := decode(src, &facts); err != nil {
		t.Fatalf("facts of the base: %v", err)
	}
	return policySource, facts
}

// decode keeps numbers as they are written, so that ids stay exact.
func decode(src []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	return d.Decode(into)
}

// patch applies a JSON merge patch (RFC 7396). In place of a list, an object patches
// its elements: "0" is the first, null removes one, "+" adds a list of elements.
func patch(t testing.TB, target, change any) any {
	t.Helper()
	object, ok := change.(map[string]any)
	if !ok {
		return change
	}
	switch target := target.(type) {
	case []any:
		out := slices.Clone(target)
		var removed []int
		for key, value := range object {
			if key == "+" {
				continue
			}
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(target) {
				t.Fatalf("the list has no element %q", key)
			}
			if value == nil {
				removed = append(removed, i)
				continue
			}
			out[i] = patch(t, target[i], value)
		}
		slices.Sort(removed)
		for _, i := range slices.Backward(removed) {
			out = slices.Delete(out, i, i+1)
		}
		if more, ok := object["+"].([]any); ok {
			out = append(out, more...)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for key, value := range target {
			out[key] = value
		}
		for key, value := range object {
			if value == nil {
				delete(out, key)
				continue
			}
			out[key] = patch(t, out[key], value)
		}
		return out
	}
	return patch(t, map[string]any{}, object)
}

// factsOf turns a JSON tree into Facts.
func factsOf(t testing.TB, tree any) *Facts {
	t.Helper()
	f := &Facts{}
	recordedAs(t, tree, f)
	return f
}

// recordedAs turns a JSON tree into facts of any kind, and returns it as it would be recorded.
// Unknown fields are typing errors of a case.
func recordedAs(t testing.TB, tree, into any) []byte {
	t.Helper()
	src, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(src))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
	return src
}

func scenarios(t testing.TB) []scenario {
	t.Helper()
	paths, err := filepath.Glob(corpus + "*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	basePolicy, baseFacts := base(t)
	var out []scenario
	for _, path := range paths {
		s := scenario{name: strings.TrimSuffix(filepath.Base(path), ".txtar")}
		if s.archive, err = txtar.ParseFile(path); err != nil {
			t.Fatal(err)
		}
		src, ok := file(s.archive, "policy.yml")
		if !ok {
			src = basePolicy
		}
		layers := []LayerSource{{LayerRepository, "acme/shop", string(src)}}
		if organisation, ok := file(s.archive, "organisation.yml"); ok {
			layers = []LayerSource{{LayerOrganisation, "acme/.github", string(organisation)}, layers[0]}
		}
		if s.policy, _, err = ParseLayers(layers, "acme/shop"); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		tree := baseFacts
		if src, ok := file(s.archive, "facts.json"); ok {
			var change any
			if err := decode(src, &change); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			tree = patch(t, baseFacts, change)
		}
		s.facts = factsOf(t, tree)
		want, _ := file(s.archive, "want")
		s.want = string(want)
		out = append(out, s)
	}
	return out
}

func (s scenario) evaluate() Decision {
	return Evaluate(s.policy, Builtin().With(s.policy.Agents), s.facts)
}

// shown is what a case says of its decision.
func shown(d Decision) string {
	var b strings.Builder
	status, conclusion := d.Status()
	if conclusion == "" {
		conclusion = status
	}
	fmt.Fprintf(&b, "%s: %s, %s\n%s\n", d.CheckName, d.Verdict, conclusion, d.Title)
	fmt.Fprintf(&b, "class: %s %s\n", d.Authorship.Class, strings.Join(d.Authorship.Agents, ", "))
	if d.Cause != "" {
		fmt.Fprintf(&b, "cause: %s\n", d.Cause)
	}
	for _, r := range d.Rules {
		unknown := ""
		if r.Unknown {
			unknown = " (not known)"
		}
		fmt.Fprintf(&b, "%s: %s%s\n", r.Rule, r.Outcome, unknown)
		if r.Outcome == OutcomeFail || r.Outcome == OutcomePending {
			fmt.Fprintf(&b, "    %s\n    > %s\n", r.Reason, r.Remedy)
			if r.Command != "" {
				fmt.Fprintf(&b, "    $ %s\n", r.Command)
			}
		}
	}
	for _, r := range d.Reviews {
		fmt.Fprintf(&b, "review %d by %s, %s: counted %v, blocks %v: %s\n", r.ID, r.Actor.Login, r.State, r.Counted, r.Blocks, r.Why)
	}
	for _, v := range d.Validations {
		fmt.Fprintf(&b, "validation %s: %s: %s [%s] %v\n", v.ID, v.State, v.Why, v.Source, v.Attempts)
	}
	for _, a := range d.Annotations {
		fmt.Fprintf(&b, "%s:%d:%d: %s: %s\n", a.Path, a.Line, a.Column, a.Level, a.Message)
	}
	for _, change := range d.PolicyDiff {
		fmt.Fprintf(&b, "policy: %s\n", change)
	}
	for _, i := range d.Impostors {
		fmt.Fprintf(&b, "not ours: %s\n", i.sentence())
	}
	for _, note := range d.EmergencyNotes {
		fmt.Fprintf(&b, "emergency: %s\n", note)
	}
	if c := d.ReviewClock; c != nil {
		fmt.Fprintf(&b, "first review due at %s", c.DueAt.Format("15:04:05"))
		if !c.At.IsZero() {
			fmt.Fprintf(&b, ", by %s at %s", c.By.Login, c.At.Format("15:04:05"))
		}
		if c.Late {
			b.WriteString(", late")
		}
		b.WriteByte('\n')
	}
	if !d.RecheckAt.IsZero() {
		fmt.Fprintf(&b, "look again at %s\n", d.RecheckAt.Format("15:04:05"))
	}
	return b.String()
}

func TestCorpus(t *testing.T) {
	all := scenarios(t)
	if len(all) < 50 {
		t.Errorf("%d cases, want at least 50", len(all))
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			got := shown(s.evaluate())
			if *update {
				files := slices.DeleteFunc(s.archive.Files, func(f txtar.File) bool { return f.Name == "want" })
				s.archive.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(corpus+s.name+".txtar", txtar.Format(s.archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
