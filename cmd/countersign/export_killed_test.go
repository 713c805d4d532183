package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/evidence/verify"
)

// An export that is killed at any moment leaves nothing under its name, and what it leaves beside it
// is no bundle; the same again writes over that, and gives the bytes that it would have given.
func TestKilledExport(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	undisturbed, said := w.exported(t)
	size := number(w.verified(t, undisturbed).Report.Manifest.LogSize)
	file := filepath.Join(t.TempDir(), "acme.zip")
	args := []string{"export", "--org", "acme", "--from", day(-1), "--to", day(1), "--log-size", size,
		"--database", "sqlite:" + filepath.Join(w.folder, "countersign.db"), "--key", filepath.Join(w.folder, "countersign.key"), "-o", file}
	random := rand.New(rand.NewPCG(11, 11))
	killed := 0
	for range 12 {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		mustDo(t, cmd.Start())
		begun := func() bool {
			_, err := os.Stat(file + ".partial")
			_, whole := os.Stat(file)
			return err == nil || whole == nil
		}
		w.waitUntil(t, begun)
		<-time.After(time.Duration(random.IntN(40)) * time.Millisecond)
		_ = cmd.Process.Kill()
		ended := cmd.Wait()
		if _, err := os.Stat(file); err == nil {
			w.verified(t, file) // it was done before
			mustDo(t, os.Remove(file))
			continue
		}
		if ended == nil {
			t.Fatal("an export that ended well left no bundle")
		}
		killed++
		var out bytes.Buffer
		if err := run(context.Background(), []string{"verify", file + ".partial"}, func(string) string { return "" }, nil, &out, &out); !errors.Is(err, verify.ErrBroken) {
			t.Errorf("what it left: %v\n%s", err, out.String())
		}
	}
	if killed == 0 {
		t.Fatal("no export was killed before its end")
	}
	if said, err := w.export(file, "--log-size", size); err != nil {
		t.Fatalf("the same again: %v\n%s", err, said)
	}
	if !bytes.Equal(mustRead(t, file), mustRead(t, undisturbed)) {
		t.Errorf("the same again has other bytes than at first, when it said:\n%s", said)
	}
	if left, err := filepath.Glob(filepath.Dir(file) + "/*"); err != nil || !slices.Equal(left, []string{file}) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Two exports of one name do not write the same file.
func TestTwoExportsOfOneName(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "acme.zip")
	one, err := openPartial(file)
	mustDo(t, err)
	if _, err := openPartial(file); err == nil || !strings.Contains(err.Error(), "another export is writing") {
		t.Errorf("a second one: %v", err)
	}
	text := func(text string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}
	}
	mustDo(t, one.write(text("one, and longer")))
	two, err := openPartial(file)
	mustDo(t, err)
	mustDo(t, two.write(text("two")))
	if got := string(mustRead(t, file)); got != "two" {
		t.Errorf("got %q", got)
	}
	three, err := openPartial(file)
	mustDo(t, err)
	if err := three.write(func(io.Writer) error { return io.ErrShortWrite }); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("one that fails: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(left) != 1 || string(mustRead(t, file)) != "two" {
		t.Errorf("after one that failed: %v", left)
	}
}

// counted counts what is written.
type counted struct{ n int64 }

func (c *counted) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// What people are told of an export is what is done: each step goes to its end, the last one ends
// when all documents are written, and the export is on record before the bundle is one.
func TestProgressOfAnExport(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	key, err := signingKeyOf(w)
	mustDo(t, err)
	at := w.server.store.Tenant(w.org.ID())
	origin, err := bundler{key: key}.originOf(t.Context(), at, 0)
	mustDo(t, err)
	var steps []string
	var last, written, recorded int64
	var out counted
	m, err := evidence.Export(t.Context(), exportedLog{at}, evidence.Options{
		Organisation: "acme", Origin: origin, Generator: "test", Key: key.Public(), Signer: key,
		Query: evidence.Query{From: time.Now().AddDate(0, 0, -1), To: time.Now().AddDate(0, 0, 1)},
		Progress: func(doing string, done, total int64) {
			if len(steps) == 0 || steps[len(steps)-1] != doing {
				steps, last = append(steps, doing), -1
			}
			if done < last || done > total || total == 0 {
				t.Errorf("%s: %d of %d after %d", doing, done, total, last)
			}
			last, written = done, out.n
		},
		Record: func(evidence.Manifest, []byte) error {
			recorded = out.n
			return nil
		},
	}, &out)
	mustDo(t, err)
	want := []string{"reading the log", "reading the records", "writing the log", "writing the records", "writing the decisions", "writing the documents"}
	if !slices.Equal(steps, want) {
		t.Errorf("steps %q, want %q", steps, want)
	}
	if m.Counts.Decisions == 0 || recorded < written || recorded == out.n {
		t.Errorf("%d bytes when the last step ended, %d when it was recorded, %d in all", written, recorded, out.n)
	}
	refused := errors.New("no")
	if _, err := evidence.Export(t.Context(), exportedLog{at}, evidence.Options{
		Organisation: "acme", Origin: origin, Generator: "test", Key: key.Public(), Signer: key, Query: m.Query,
		Record: func(evidence.Manifest, []byte) error { return refused },
	}, &counted{}); !errors.Is(err, refused) {
		t.Errorf("an export that cannot be put on record: %v", err)
	}
}
