package verify

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign/countersign/ledger"
)

var bundleFolder = filepath.Join("..", "..", "testdata", "bundle")

func publicKey(t *testing.T) string {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(bundleFolder, "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ledger.ParseKey(string(secret))
	if err != nil {
		t.Fatal(err)
	}
	return written(t, key.Public()+"\n")
}

func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestCommand(t *testing.T) {
	bundle := filepath.Join(bundleFolder, "acme.zip")
	for what, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"with the key":           {[]string{"--key", publicKey(t), bundle}, 0, "Everything holds, by your key"},
		"without":                {[]string{bundle}, 3, "anybody can make a key"},
		"as JSON":                {[]string{"--json", "--key", publicKey(t), bundle}, 0, `"ok":true`},
		"an earlier checkpoint":  {[]string{"--key", publicKey(t), "--checkpoint", filepath.Join(bundleFolder, "early.checkpoint"), bundle}, 0, "begins with what each of your 1"},
		"an earlier bundle":      {[]string{"--key", publicKey(t), "--checkpoint", bundle, bundle}, 0, "begins with what each of your 1"},
		"no checkpoint":          {[]string{"--checkpoint", written(t, "hello"), bundle}, 1, "is not a checkpoint of this log"},
		"another key":            {[]string{"--key", written(t, "x+00000000+AAAA"), bundle}, 1, "another key than yours"},
		"no bundle":              {[]string{written(t, "hello")}, 1, "DOES NOT HOLD: it is not a zip file"},
		"no bundle, as JSON":     {[]string{"--json", written(t, "hello")}, 1, `"broken":{"what":"it is not a zip file`},
		"no name":                {nil, 2, "countersign-verify: name one bundle"},
		"an unknown flag":        {[]string{"--trust-me", bundle}, 2, "usage: countersign-verify [flags] BUNDLE"},
		"help":                   {[]string{"--help"}, 0, "exit code is 0"},
		"a file that is missing": {[]string{"missing.zip"}, 1, "missing.zip"},
		"a folder":               {[]string{t.TempDir()}, 1, "is not a file"},
		"a clone of something":   {[]string{"--key", publicKey(t), "--git", "acme/other=" + t.TempDir(), bundle}, 1, "DOES NOT HOLD: nothing in the bundle"},
	} {
		var out bytes.Buffer
		err := Run(t.Context(), "countersign-verify", tt.args, &out, &out, nil)
		if err != nil && !errors.Is(err, ErrUsage) && !errors.Is(err, flag.ErrHelp) {
			out.WriteString(err.Error())
		}
		if got := ExitCode(err); got != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s: got %d, want %d with %q\n%s", what, got, tt.code, tt.want, out.String())
		}
	}
}

// What a bundle says reaches the terminal as text alone.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\u202ec\x07d\u009be\n"); strings.ContainsAny(got, "\x1b\x07\u202e\u009b") || !strings.HasSuffix(got, "e\n") {
		t.Errorf("got %q", got)
	}
}
