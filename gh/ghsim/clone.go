package ghsim

import (
	"bytes"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Clone writes the repository as a real git repository into a folder that does not exist yet, as
// `git clone --mirror` would leave it: every object that a branch leads to, under its own name.
func (r *Repo) Clone(ctx context.Context, folder string) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if out, err := exec.CommandContext(ctx, "git", "init", "-q", "--bare", folder).CombinedOutput(); err != nil {
		return fmt.Errorf("ghsim: git init: %w: %s", err, out)
	}
	w := looseObjects{folder: filepath.Join(folder, "objects")}
	for ref, tip := range r.r.refs {
		for sha := range r.r.git.ancestors(tip) {
			w.commit(r.r.git, r.r.git.commits[sha])
		}
		if w.err == nil {
			w.err = writeRef(folder, ref, tip)
		}
	}
	if w.err == nil {
		w.err = os.WriteFile(filepath.Join(folder, "HEAD"), []byte("ref: refs/heads/"+r.r.defaultBranch+"\n"), 0o644)
	}
	return w.err
}

func writeRef(folder, ref, sha string) error {
	file := filepath.Join(folder, filepath.FromSlash(ref))
	return errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(sha+"\n"), 0o644))
}

// looseObjects writes objects as git keeps those that are in no pack. After an error it does
// nothing.
type looseObjects struct {
	folder string
	err    error
}

func (w *looseObjects) commit(g *gitStore, c *commit) {
	if c == nil || w.err != nil {
		return
	}
	text := c.text()
	for n := 1; object("commit", []byte(text)) != c.sha; n++ {
		text = c.text() + strconv.Itoa(n) // another commit has the name that this would have: see addCommit
	}
	w.write("commit", []byte(text))
	files := g.files(c.sha)
	treeName("", files, g.modes[c.tree], map[string]string{}, func(data []byte) { w.write("tree", data) })
	for _, blob := range files {
		w.write("blob", g.blobs[blob])
	}
}

func (w *looseObjects) write(kind string, data []byte) {
	sha := object(kind, data)
	file := filepath.Join(w.folder, sha[:2], sha[2:])
	if _, err := os.Stat(file); err == nil || w.err != nil {
		return
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, err := fmt.Fprintf(z, "%s %d\x00%s", kind, len(data), data)
	w.err = errors.Join(err, z.Close(), os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, packed.Bytes(), 0o444))
}
