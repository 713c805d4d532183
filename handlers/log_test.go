package handlers_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	formats "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/handlers"
	"github.com/countersign/countersign/ledger"
	"github.com/countersign/countersign/store"
)

// mirror reads a log over HTTP as strangers do, with their own code.
type mirror struct {
	t   *testing.T
	url string
}

func (m mirror) get(path string) (int, string, []byte) {
	m.t.Helper()
	resp, err := http.Get(m.url + path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Cache-Control"), body
}

func (m mirror) Height() int                         { return 8 }
func (m mirror) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

// ReadTiles asks for tiles by the paths of https://c2sp.org/tlog-tiles.
func (m mirror) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range tiles {
		status, _, body := m.get(strings.Replace(tile.Path(), "tile/8/", "/tile/", 1))
		if status != http.StatusOK {
			return nil, fmt.Errorf("%s: %d", tile.Path(), status)
		}
		out = append(out, body)
	}
	return out, nil
}

// openLog is a server with a log of n leaves, all under a signed checkpoint but for the last more.
func openLog(t *testing.T, n, more int) (m mirror, st *store.Store, verifier note.Verifier) {
	t.Helper()
	secret, public, err := ledger.GenerateKey(rand.Reader, "logs.example.com")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	if verifier, err = ledger.ParseVerifier(public); err != nil {
		t.Fatal(err)
	}
	st, err = store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "c.db"), Signer: key, Origin: "logs.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	intake, err := gh.NewIntake([]string{newSecret})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer((&handlers.Handlers{Intake: intake, Store: st, Log: zerolog.Nop(), Now: time.Now}).Routes(http.NotFoundHandler()))
	t.Cleanup(server.Close)
	if err := st.Mark(t.Context(), []store.Mark{{OrgID: orgID, RepoID: repoID, Repository: "acme/shop", Number: 1}}); err != nil {
		t.Fatal(err)
	}
	for i := range n + more {
		if i == n {
			if _, _, err := st.Tenant(orgID).Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		e := store.Exception{Kind: "direct-push", Subject: fmt.Sprint(i), Severity: "high", Reason: "…"}
		if _, _, err := st.Tenant(orgID).OpenException(t.Context(), e, 9); err != nil {
			t.Fatal(err)
		}
	}
	return mirror{t, fmt.Sprintf("%s%s%d", server.URL, handlers.LogPath, orgID)}, st, verifier
}

// A stranger checks every leaf against the signed checkpoint, with tiles alone.
func TestTheLogIsMirrored(t *testing.T) {
	const n = 515 // two full tiles, a partial one, and a level above
	m, st, verifier := openLog(t, n, 5)
	status, cached, signed := m.get("/checkpoint")
	if status != http.StatusOK || cached != "no-cache" {
		t.Fatalf("checkpoint: %d, %q", status, cached)
	}
	checkpoint, _, _, err := formats.ParseCheckpoint(signed, fmt.Sprintf("logs.example.com/%d", orgID), verifier)
	if err != nil || checkpoint.Size != n {
		t.Fatalf("got %+v, %v, want %d leaves", checkpoint, err, n)
	}
	tree := tlog.Tree{N: n, Hash: tlog.Hash(checkpoint.Hash)}
	reader := tlog.TileHashReader(tree, m)
	for i := range int64(n) {
		leaf, _, _, _, err := st.Tenant(orgID).Inclusion(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, i)})
		if err != nil || hashes[0] != tlog.RecordHash(leaf) {
			t.Fatalf("leaf %d is not in the tree: %v", i, err)
		}
	}
	// An earlier state of the log is part of it.
	old, err := tlog.TreeHash(300, reader)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := tlog.ProveTree(n, 300, reader)
	if err != nil || tlog.CheckTree(proof, n, tree.Hash, 300, old) != nil {
		t.Errorf("the first 300 leaves: %v", err)
	}
}

func TestTilesThatAreNotThere(t *testing.T) {
	m, _, _ := openLog(t, 300, 100)
	for path, want := range map[string]int{
		"/tile/0/000": 200, "/tile/0/001.p/44": 200, "/tile/0/001.p/1": 200, "/tile/1/000.p/1": 200,
		"/tile/0/001.p/45": 404, // beyond the checkpoint, though there are leaves
		"/tile/0/001":      404, "/tile/0/002.p/1": 404, "/tile/1/000": 404, "/tile/2/000.p/1": 404, "/tile/9/000": 404, "/tile/70/000": 404,
		"/tile/0/1": 404, "/tile/0/000.p/0": 404, "/tile/0/000.p/257": 404, "/tile/0/x001/000": 404, "/tile/-1/000": 404, "/tile/data/000": 404,
		"/tile/entries/000": 404, "/tile/0/../../../healthz": 404, "/tile/": 404, "/tile/0/x999/x999/x999/x999/x999/x999/999": 404, "/leaves": 404,
	} {
		status, cached, body := m.get(path)
		if status != want {
			t.Errorf("%s: got %d %q, want %d", path, status, body, want)
		}
		if status == 200 && (!strings.Contains(cached, "immutable") || len(body)%32 != 0 || len(body) == 0) {
			t.Errorf("%s: %d bytes, cached %q", path, len(body), cached)
		}
	}
	for _, org := range []string{"1", "0", "-1001", "01001", "acme", "99999999999999999999"} {
		other := mirror{t, strings.Replace(m.url, fmt.Sprint(orgID), org, 1)}
		if status, _, _ := other.get("/checkpoint"); status != http.StatusNotFound {
			t.Errorf("organisation %s: got %d, want 404", org, status)
		}
	}
	_, _, whole := m.get("/tile/0/000")
	if _, _, part := m.get("/tile/0/000.p/7"); !slices.Equal(part, whole[:7*32]) {
		t.Error("a part of a tile is not its beginning")
	}
}
