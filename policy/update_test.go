package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// baseUpdate is pull request 7, merged into main as it was decided on.
func baseUpdate(t testing.TB) any {
	t.Helper()
	sha := func(digit string) string { return strings.Repeat(digit, 40) }
	head := "a" + strings.Repeat("1", 39)
	file := map[string]any{"path": "shop/cart.go", "previous": "", "status": "modified", "blob": sha("c"), "patch_sha256": strings.Repeat("d", 64), "additions": 3, "deletions": 1}
	files := map[string]any{"complete": true, "total": 1, "items": []any{file}}
	src, err := json.Marshal(map[string]any{
		"v": 1, "repository_id": 2002, "repository": "acme/shop", "ref": "main", "mode": "enforce", "id": 901, "type": "pr_merge",
		"before": sha("b"), "after": sha("e"), "at": "2026-11-23T12:00:05Z", "actor": map[string]any{"id": 11, "login": "alice", "type": "User"},
		"seq": 40, "received_at": "2026-11-23T12:00:06Z", "descends": "yes", "files": files,
		"changes": map[string]any{"complete": true, "total": 1, "items": []any{map[string]any{"number": 7, "head_sha": head, "files": files,
			"before": map[string]any{"record_id": "r1", "leaf_index": 30, "recorded_at": "2026-11-23T11:59:00Z", "verdict": "pass", "mode": "enforce", "governing_ref": "main"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := decode(src, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestUpdateCorpus(t *testing.T) {
	paths, err := filepath.Glob(corpus + "update/*.txtar")
	if err != nil || len(paths) < 25 {
		t.Fatalf("%d cases: %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tree := baseUpdate(t)
			if src, ok := file(archive, "update.json"); ok {
				var change any
				if err := decode(src, &change); err != nil {
					t.Fatal(err)
				}
				tree = patch(t, tree, change)
			}
			var f UpdateFacts
			recordedAs(t, tree, &f)
			judged := func() string {
				var b strings.Builder
				for _, finding := range JudgeUpdate(Builtin(), &f) {
					fmt.Fprintf(&b, "%s, %s, #%d: %s\n", finding.Kind, finding.Severity, finding.Number, finding.Reason)
				}
				return cmp.Or(b.String(), "nothing\n")
			}
			got := judged()
			slices.Reverse(f.Files.Items)
			slices.Reverse(f.Changes.Items)
			if again := judged(); again != got {
				t.Errorf("in another order: %s", again)
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
			if d := diff.Diff(string(want), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
