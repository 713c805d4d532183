// Package published provides what GitHub itself publishes about its interfaces: the
// GraphQL schema, the OpenAPI description of the REST API and examples of webhooks.
//
// The simulated GitHub executes queries over the first, and tests hold it and us to all
// three. They are other people's work and large, so they are not in this repository:
// they come from the npm registry, in one pinned version each, and only the one file that
// is needed is kept, compressed, in a cache folder. Its SHA-256 is pinned here and checked
// at every load, so a changed file is never used, wherever it came from.
//
// One thing beside these is not GitHub's: axe-core, with which tests look whether everybody can use a page.
//
// Nothing of this is used by a running server; it is for tests and for the demo.
package published

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// ErrDigest says that a file is not the one that this package pins.
var ErrDigest = errors.New("file is not the pinned one")

// maxFileBytes bounds one extracted file; the largest today has 13 MB.
const maxFileBytes = 64 << 20

// Material is one file of one version of one npm package.
type Material struct {
	// Title is what it is, for people.
	Title string
	// Package and Version name the npm package, Path the file in its archive.
	Package string
	Version string
	Path    string
	// SHA256 is the digest of the file as it is in the archive, in hexadecimal.
	SHA256 string
	// CacheName is the name of the compressed copy in the cache folder.
	CacheName string
}

// GraphQLSchema is GitHub's GraphQL schema in the schema definition language.
//
// Source: https://www.npmjs.com/package/@octokit/graphql-schema
var GraphQLSchema = Material{
	Title:     "GraphQL schema",
	Package:   "@octokit/graphql-schema",
	Version:   "15.26.1",
	Path:      "package/schema.graphql",
	SHA256:    "3c62d0526d133cee53221c89de9b455ade24db78b9e7ad56d642c4c15bce2654",
	CacheName: "graphql-schema-15.26.1.graphql.gz",
}

// OpenAPI is the OpenAPI 3.0 description of api.github.com as JSON, webhooks included.
//
// Source: https://www.npmjs.com/package/@octokit/openapi
var OpenAPI = Material{
	Title:     "OpenAPI description",
	Package:   "@octokit/openapi",
	Version:   "23.0.2",
	Path:      "package/generated/api.github.com.json",
	SHA256:    "829b4bebb19a53133289f7b0bc819f4f1118115821db2ca9f25e9ee995a7da2a",
	CacheName: "openapi-23.0.2.json.gz",
}

// WebhookExamples is a JSON array of event kinds, each with example payloads.
//
// Source: https://www.npmjs.com/package/@octokit/webhooks-examples
var WebhookExamples = Material{
	Title:     "webhook examples",
	Package:   "@octokit/webhooks-examples",
	Version:   "7.6.1",
	Path:      "package/api.github.com/index.json",
	SHA256:    "09d8f0c617876ae9dad22e26fea5510bfcaad50ee7e602659f6db25b87b25815",
	CacheName: "webhooks-examples-7.6.1.json.gz",
}

// All lists every material, smallest first.
func All() []Material { return []Material{AxeCore, WebhookExamples, GraphQLSchema, OpenAPI} }

// Load returns the material's bytes, from the cache folder dir when they are there and
// are the pinned ones, else from the npm registry, and then keeps them in dir.
//
// Several processes may load at once: at worst each of them fetches. It returns
// ErrDigest when the registry's file is not the pinned one, and an error with what to
// do when npm is not installed.
func Load(ctx context.Context, dir string, m Material) ([]byte, error) {
	src, err := cached(dir, m)
	if err == nil {
		return src, nil
	}
	// Whatever is wrong with the cached copy, a fresh one repairs it.
	src, err = fetch(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("fetch %s (%s@%s): %w", m.Title, m.Package, m.Version, err)
	}
	if err := verify(src, m); err != nil {
		return nil, err
	}
	if err := keep(dir, m, src); err != nil {
		return nil, fmt.Errorf("keep %s in the cache folder: %w", m.Title, err)
	}
	return src, nil
}

// CacheDir is the folder that Load should use: .cache/published beside the go.mod that
// is nearest above the working directory, else the user's own cache folder.
func CacheDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil && info.Mode().IsRegular() {
			return filepath.Join(dir, ".cache", "published"), nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	return filepath.Join(user, "countersign"), nil
}

// cached reads and verifies the copy in dir.
func cached(dir string, m Material) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, m.CacheName))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	src, err := readAtMost(z, maxFileBytes)
	if err != nil {
		return nil, err
	}
	return src, verify(src, m)
}

// keep writes the compressed copy under a name of its own and renames it, so that
// another process sees the whole file or none.
func keep(dir string, m Material, src []byte) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, m.CacheName+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails after the rename, which is what we want
	z := gzip.NewWriter(f)
	_, err = io.Copy(z, bytes.NewReader(src))
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, m.CacheName))
}

// verify returns ErrDigest unless src is the pinned file.
func verify(src []byte, m Material) error {
	sum := sha256.Sum256(src)
	if got := hex.EncodeToString(sum[:]); got != m.SHA256 {
		return fmt.Errorf("%s of %s@%s: %w: got sha256 %s, want %s", m.Path, m.Package, m.Version, ErrDigest, got, m.SHA256)
	}
	return nil
}

// readAtMost reads r to its end and refuses more than limit bytes.
func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, fmt.Errorf("file is larger than %d bytes", limit)
	}
	return buf.Bytes(), nil
}
