// Package countersign_test keeps the shape of the house: who may import whom, that
// every package says what it is for, and that the pure rooms read no clock.
package countersign_test

import (
	"cmp"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/countersign/countersign"

// room is one row of the import table of CONTRIBUTING.md.
type room struct {
	// may are the packages of this module that the room may import.
	may []string
	// never are packages that must not be reachable from the room, however far away.
	never []string
	// notDirectly are packages that the room itself must not import. (fmt pulls os in
	// for everyone, so os can only be kept out of the room's own imports.)
	notDirectly []string
	// noClock forbids time.Now in the room's own code.
	noClock bool
}

// telemetry is OpenTelemetry, and as a package the one that holds its globals.
const telemetry = "go.opentelemetry.io/otel"

var everything = []string{"..."}

var pure = room{never: []string{"net", "database/sql", "log/slog"}, notDirectly: []string{"os", "math/rand", "crypto/rand"}, noClock: true}

var rooms = map[string]room{
	".":                        {},
	"policy":                   pure,
	"ledger":                   pure,
	"config":                   {},
	"gh":                       {may: []string{"tracing"}},
	"gh/ghsim":                 {may: []string{"gh/ghsim/published"}},
	"gh/ghsim/published":       {},
	"gh/ghsim/published/fetch": {may: []string{"gh/ghsim/published"}},
	"gh/ghsim/contract":        {may: []string{"gh/ghsim", "gh/ghsim/published"}},
	"facts":                    {may: []string{"policy", "gh"}},
	"store":                    {may: []string{"policy", "ledger"}, never: []string{"net/http"}},
	"store/pgtest":             {},
	"notify":                   {},
	"bucket":                   {never: []string{"database/sql"}},
	"bucket/s3sim":             {},
	"tracing":                  {never: []string{"net", "database/sql"}},
	"witness":                  {may: []string{"ledger"}},
	"evidence":                 {may: []string{"policy", "ledger"}, never: []string{"net", "database/sql"}},
	"evidence/verify":          {may: []string{"policy", "evidence"}, never: []string{"net", "database/sql"}},
	"cmd/countersign-verify":   {may: []string{"evidence/verify"}, never: []string{"net", "database/sql"}},
	"corroborate":              {may: []string{"policy", "gh", "evidence"}, never: []string{"database/sql"}},
	"worker":                   {may: []string{"policy", "facts", "gh", "store", "notify", "witness", "tracing"}},
	"handlers":                 {may: []string{"gh", "store", "ledger", "tracing"}},
	"web":                      {may: []string{"policy", "store", "evidence"}},
	"setup":                    {may: []string{"gh"}},
	"doctor":                   {may: []string{"bucket", "config", "policy", "ledger", "facts", "gh", "store"}},
	"cmd/countersign":          {may: everything},
}

type listed struct {
	ImportPath string
	Dir        string
	Doc        string
	Name       string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func packages(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Doc,Name,GoFiles,Imports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		if len(p.GoFiles) > 0 {
			all[cmp.Or(name, ".")] = p
		}
	}
	return all
}

func TestImportTable(t *testing.T) {
	found := packages(t)
	if len(found) == 0 {
		t.Fatal("go list found no package")
	}
	for name, p := range found {
		r, ok := rooms[name]
		if !ok {
			t.Errorf("package %s has no row in the table of rooms: give it one, or put its code into a room", name)
			continue
		}
		for _, imported := range p.Imports {
			inner, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.Equal(r.may, everything) && !slices.Contains(r.may, inner) {
				t.Errorf("%s imports %s, which its row does not allow", name, inner)
			}
			if strings.HasPrefix(imported, telemetry) && (imported == telemetry || name != "tracing" && name != "cmd/countersign") {
				t.Errorf("%s imports %s: rooms are handed a tracing.Tracer, and there is no global one", name, imported)
			}
			if slices.Contains(r.notDirectly, imported) {
				t.Errorf("%s imports %s", name, imported)
			}
		}
		for _, dep := range p.Deps {
			if slices.Contains(r.never, dep) {
				t.Errorf("%s reaches %s through its imports", name, dep)
			}
		}
		if r.noClock {
			checkNoClock(t, p)
		}
	}
	for name := range rooms {
		if _, ok := found[name]; !ok {
			t.Errorf("the table has a row for %s, which does not exist", name)
		}
	}
}

func checkNoClock(t *testing.T, p listed) {
	t.Helper()
	for _, file := range p.GoFiles {
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick"}, sel.Sel.Name) {
					t.Errorf("%s/%s reads the clock: time.%s", p.Name, file, sel.Sel.Name)
				}
			}
			if _, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s/%s starts a goroutine", p.Name, file)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for name, p := range packages(t) {
		if len(p.Doc) < 40 {
			t.Errorf("package %s has no doc comment worth the name: %q", name, p.Doc)
		}
	}
}

func TestNoPackageWithoutASubject(t *testing.T) {
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"common", "util", "utils", "types", "models", "helpers"}, path.Base(p)) {
			t.Errorf("%s: a folder is named for its subject", p)
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && p != "." {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
