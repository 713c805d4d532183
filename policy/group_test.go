package policy

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// groupSHA is the commit of the merge group in the cases of testdata/policy/group.
var groupSHA = strings.Repeat("9", 40)

// baseGroup is a merge group with the pull request of base/base.txtar in it, whose tests
// succeeded on the group's commit too.
func baseGroup(t testing.TB) any {
	t.Helper()
	_, facts := base(t)
	src, err := json.Marshal(map[string]any{
		"v": 1, "group": true, "head_sha": groupSHA, "base_ref": "main",
		"collected_at": "2026-11-23T12:00:00Z", "evaluated_at": "2026-11-23T12:00:00Z", "requested_at": "2026-11-23T11:58:00Z", "deadline": "2026-11-23T12:58:00Z",
		"app": facts.(map[string]any)["app"], "repository": facts.(map[string]any)["repository"],
		"members":     map[string]any{"complete": true, "total": 1, "items": []any{map[string]any{"number": 7, "head_sha": "a" + strings.Repeat("1", 39), "facts": facts}}},
		"validations": facts.(map[string]any)["validations"], "sources": []any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	var tree, run any
	if err := decode(src, &tree); err != nil {
		t.Fatal(err)
	}
	onGroup := fmt.Sprintf(`{"validations": {"items": {"0": {"head_sha": %q, "job": {"event": "merge_group"}}}}}`, groupSHA)
	if err := decode([]byte(onGroup), &run); err != nil {
		t.Fatal(err)
	}
	return patch(t, tree, run)
}

func TestGroupCorpus(t *testing.T) {
	paths, err := filepath.Glob(corpus + "group/*.txtar")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d cases: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			source, _ := base(t)
			if src, ok := file(archive, "policy.yml"); ok {
				source = src
			}
			p, err := Parse(source)
			if err != nil {
				t.Fatal(err)
			}
			tree := baseGroup(t)
			if src, ok := file(archive, "group.json"); ok {
				var change any
				if err := decode(src, &change); err != nil {
					t.Fatal(err)
				}
				tree = patch(t, tree, change)
			}
			d, err := EvaluateRecorded(p, Builtin(), recordedAs(t, tree, &GroupFacts{}))
			if err != nil {
				t.Fatal(err)
			}
			got := shown(d)
			for _, m := range d.Members {
				got += fmt.Sprintf("member #%d: %s: %s\n", m.Number, m.Verdict, m.Title)
			}
			if *update {
				files := slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
				archive.Files = append(files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, _ := file(archive, "want")
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
