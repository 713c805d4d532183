package policy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// layered is a case of testdata/policy/layers: the organisation's and the repository's file.
func layered(t *testing.T, a *txtar.Archive) []LayerSource {
	t.Helper()
	var layers []LayerSource
	for _, layer := range []string{LayerOrganisation, LayerRepository} {
		if src, ok := file(a, layer+".yml"); ok {
			layers = append(layers, LayerSource{layer, "acme/" + layer, string(src)})
		}
	}
	return layers
}

func parseLayers(t *testing.T, layers []LayerSource) (org, repo, merged *Policy, notes []Note) {
	t.Helper()
	for _, l := range layers {
		p, err := Parse([]byte(l.Source))
		if err != nil {
			t.Fatal(err)
		}
		if l.Layer == LayerOrganisation {
			org = p
		} else {
			repo = p
		}
	}
	merged, notes, err := ParseLayers(layers, "acme/shop")
	if err != nil {
		t.Fatal(err)
	}
	return org, repo, merged, notes
}

func TestLayers(t *testing.T) {
	paths, err := filepath.Glob(corpus + "layers/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			layers := layered(t, a)
			org, repo, merged, notes := parseLayers(t, layers)
			origins := merged.Origins(org, repo, "acme/shop")
			var b strings.Builder
			for _, v := range merged.Values() {
				fmt.Fprintf(&b, "%s: %s [%s]\n", v.Path, v.Text, origins[v.Path])
			}
			for _, n := range notes {
				fmt.Fprintf(&b, "note: the %s's policy, %s\n", n.Layer, n)
			}
			got := b.String()
			want, _ := file(a, "want")
			if *update {
				files := slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
				a.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// What is kept gives the same policy again.
			kept, err := EncodeLayers(layers)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := ParseKept(kept, "acme/shop")
			if err != nil || !slices.Equal(again.Values(), merged.Values()) {
				t.Errorf("kept and read again: %v, %v", again, err)
			}
			if org == nil || repo == nil {
				return
			}
			// The floor holds: nothing of the merged policy is looser than the organisation's.
			for _, d := range org.Differences(merged) {
				if d.Effect == effectLoosens && !strings.HasPrefix(d.Path, "branches[") && org.set(d.Path) {
					t.Errorf("loosens the organisation's policy: %s", d)
				}
			}
			// Once more changes nothing.
			if twice, _ := Merge(org, repo, "acme/shop"); !slices.Equal(twice.Values(), merged.Values()) {
				t.Error("merging twice differs")
			}
		})
	}
}

// Every key of a policy has a rule of how layers come together.
func TestEveryKeyIsMerged(t *testing.T) {
	known := []string{
		"version", "mode", "branches", "lanes", "agents", "review", "validation", "protection", "authorisation", "repositories", "emergency", "paths", "rules", "sla", "exceptions",
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Policy]()) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "" {
			continue
		}
		if !slices.Contains(known, key) {
			t.Errorf("the key %q has no rule in Merge: write one, and name it here", key)
		}
	}
}

func TestOneLayerIsKeptAsItIs(t *testing.T) {
	const src = "version: 1\nmode: audit\nbranches: [main] # as it is\n"
	kept, err := EncodeLayers([]LayerSource{{LayerRepository, "acme/shop", src}})
	if err != nil || string(kept) != src {
		t.Fatalf("kept %q, %v", kept, err)
	}
	if p, _, err := ParseKept(kept, "acme/shop"); err != nil || p.Mode != ModeAudit {
		t.Fatalf("%v, %v", p, err)
	}
	for _, bad := range []string{
		layersPrefix, layersPrefix + `"layers":[]}`, layersPrefix + `"layers":[{"layer":"team"}]}`,
		layersPrefix + `"layers":[{"layer":"repository"},{"layer":"organisation"}]}`,
	} {
		if p, _, err := ParseKept([]byte(bad), "acme/shop"); err == nil {
			t.Errorf("%q gives %v", bad, p)
		}
	}
}

func TestDifferences(t *testing.T) {
	parse := func(src string) *Policy {
		p, err := Parse([]byte("version: 1\n" + src))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	was := parse("mode: enforce\nbranches: [main, dev]\nreview: {agent: {approvals: 2}, from: {teams: [acme/core]}, confirm: [agent]}\nprotection: {allow_bypass: [{type: Team, id: 42}]}\n")
	is := parse("mode: enforce\nbranches: [main]\nreview: {agent: {approvals: 1}, human: {approvals: 1}, from: {teams: [acme/core, acme/all], permission: maintain}}\nvalidation: {protect: [\"ci/**\"]}\n")
	var got []string
	for _, d := range was.Differences(is) {
		got = append(got, d.String())
	}
	want := []string{
		"branches[dev]: enforce as countersign → nothing (loosens)",
		"protection.allow_bypass[Team 42]: yes → nothing (tightens)",
		"review.agent.approvals: 2 → 1 (loosens)",
		"review.assisted.approvals: 2 → 1 (loosens)",
		"review.confirm: agent → nothing (loosens)",
		"review.from.permission: write → maintain (tightens)",
		"review.from.teams: acme/core → acme/all, acme/core (loosens)",
		"validation.protect: .github/actions/**, .github/workflows/** → ci/**",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if same := was.Differences(was); len(same) != 0 {
		t.Errorf("with itself: %v", same)
	}
}
