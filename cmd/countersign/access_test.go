package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
)

// command runs a command on the server's database with its key, as somebody at its machine.
func (w *acme) command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{
		"COUNTERSIGN_DATABASE_URL":     w.database(),
		"COUNTERSIGN_SIGNING_KEY_FILE": filepath.Join(w.folder, "countersign.key"),
	}
	err := run(t.Context(), args, func(name string) string { return env[name] }, nil, &out, &errs)
	if err != nil {
		return out.String() + errs.String() + err.Error(), err
	}
	return out.String(), nil
}

// exportToday exports the evidence of today and of the days that the test's clock is ahead.
func (w *acme) exportToday(t *testing.T, more ...string) (file, out string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "bundle.zip")
	from, to := time.Now().UTC().Format(time.DateOnly), w.now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	out, err := w.command(t, append([]string{"export", "--org", "acme", "--from", from, "--to", to, "-o", file}, more...)...)
	if err != nil {
		t.Fatal(out)
	}
	return file, out
}

// Whoever takes evidence is on record, and the same export again has the same bytes with the size
// of the log that the first one was of.
func TestExportsAreOnRecord(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	repo, _ := w.merged(t, "exported", "squash")
	w.wantFound(t, repo)
	out, err := w.command(t, "access", "list", "--org", "acme")
	if err != nil || !strings.Contains(out, "No access is on record.") {
		t.Fatalf("before any export: %v\n%s", err, out)
	}
	seed := "8f1c0b7a5d2e49638f1c0b7a5d2e4963"
	first, said := w.exportToday(t, "--sample", "1", "--seed", seed)
	size := regexp.MustCompile(`Log: (\d+) leaves`).FindStringSubmatch(said)
	if size == nil {
		t.Fatal(said)
	}
	again, _ := w.exportToday(t, "--sample", "1", "--seed", seed, "--log-size", size[1])
	a, _ := os.ReadFile(first)
	b, _ := os.ReadFile(again)
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the same export of the same log has other bytes")
	}
	sum := sha256.Sum256(inBundle(t, first, "manifest.json"))
	digest := hex.EncodeToString(sum[:])
	out, err = w.command(t, "access", "list", "--org", "acme")
	mustDo(t, err)
	by, err := operator()
	mustDo(t, err)
	if strings.Count(out, "export by "+by.String()) != 2 || strings.Count(out, "manifest "+digest) != 2 || strings.Count(out, "sample of the draw in leaf ") != 2 {
		t.Errorf("the list does not show both exports of %s:\n%s", digest, out)
	}
	if out, err = w.command(t, "access", "list", "--org", "acme", "--json"); err != nil || strings.Count(out, `"what":"export"`) != 2 {
		t.Errorf("as JSON: %v\n%s", err, out)
	}
	if out, err = w.command(t, "access", "list"); !errors.Is(err, errUsage) {
		t.Errorf("without an organisation: %v\n%s", err, out)
	}
	if out, err = w.command(t, "ledger", "check"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// A bundle that cannot be put on record does not get its name.
func TestNoBundleWithoutItsRecord(t *testing.T) {
	t.Parallel()
	folder, failed := t.TempDir(), errors.New("not recorded")
	o := exportOrder{out: filepath.Join(folder, "bundle.zip")}
	err := o.write(environment{stdout: io.Discard}, func(w io.Writer) (evidence.Manifest, error) {
		_, err := w.Write([]byte("all but the manifest"))
		return evidence.Manifest{}, errors.Join(err, failed)
	})
	left, _ := os.ReadDir(folder)
	if !errors.Is(err, failed) || len(left) != 0 {
		t.Errorf("got %v, and %d files are left", err, len(left))
	}
}
