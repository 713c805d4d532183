package published

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ErrNoNPM says that npm is not on the path.
var ErrNoNPM = errors.New("npm is not installed")

// fetch downloads the package's archive with npm, which brings the user's registry,
// proxy and certificates with it, and reads the one file out of it.
func fetch(ctx context.Context, m Material) ([]byte, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return nil, fmt.Errorf("%w (%v): install npm, then run: go run ./gh/ghsim/published/fetch", ErrNoNPM, err)
	}
	dir, err := os.MkdirTemp("", "countersign-npm-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)

	// "npm pack" downloads and checks the registry's digest; it installs nothing and
	// runs no script of the package.
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, npm, "pack", m.Package+"@"+m.Version, "--ignore-scripts", "--loglevel=error", "--pack-destination="+dir)
	cmd.Dir = dir
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("npm pack: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return nil, fmt.Errorf("npm pack left %d archives, want 1", len(archives))
	}
	f, err := os.Open(archives[0])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return extract(f, m.Path)
}

// extract streams a .tgz and returns the one file at path. The OpenAPI package holds
// 385 MB when unpacked, so it never is.
func extract(tgz io.Reader, path string) ([]byte, error) {
	z, err := gzip.NewReader(tgz)
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the archive has no %s", path)
		}
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		if h.Name == path && h.Typeflag == tar.TypeReg {
			return readAtMost(t, maxFileBytes)
		}
	}
}
