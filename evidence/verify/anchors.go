package verify

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/countersign/countersign/evidence"
)

// AnchorFolder is the folder of a repository that checkpoints are kept in.
const AnchorFolder = "checkpoints"

// anchorPath is where a checkpoint is kept: by the log's name without its host, and its size.
var anchorPath = regexp.MustCompile(`^` + AnchorFolder + `/[0-9]+(-[0-9]+)*/[0-9]+$`)

// maxAnchors bounds how many checkpoints are read of one repository.
const maxAnchors = 200_000

// AnchorPath is where the checkpoint of size leaves of a log is kept; false: a log of this name is
// kept nowhere.
func AnchorPath(origin string, size int64) (string, bool) {
	_, log, _ := strings.Cut(origin, "/")
	path := AnchorFolder + "/" + strings.ReplaceAll(log, "/", "-") + "/" + strconv.FormatInt(size, 10)
	return path, anchorPath.MatchString(path)
}

// Anchors reads every checkpoint that a clone of a repository ever kept: also what a later commit
// changed or took away.
func Anchors(ctx context.Context, path string) ([]evidence.NamedCheckpoint, error) {
	c := clone{path}
	out := []evidence.NamedCheckpoint{}
	if _, err := c.git(ctx, "rev-parse", "--git-dir"); err != nil {
		return nil, err
	}
	if _, err := c.git(ctx, "rev-parse", "--verify", "--quiet", "HEAD"); err != nil {
		return out, nil // nothing was ever committed
	}
	if shallow, err := c.git(ctx, "rev-parse", "--is-shallow-repository"); err != nil || shallow != "false" {
		return nil, errors.Join(errors.New("the clone is shallow, so that it does not show what was kept before: git fetch --unshallow"), err)
	}
	list, err := c.git(ctx, "rev-list", "--objects", "--full-history", "HEAD", "--", AnchorFolder)
	if err != nil {
		return nil, err
	}
	var objects []string
	for line := range strings.Lines(list) {
		sha, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if isObject(sha) && anchorPath.MatchString(name) {
			objects = append(objects, sha)
			out = append(out, evidence.NamedCheckpoint{Name: name + " of " + sha[:7]})
		}
	}
	if len(out) > maxAnchors {
		return nil, fmt.Errorf("the clone has %d checkpoints, at most %d are read", len(out), maxAnchors)
	}
	return out, c.contents(ctx, objects, func(i int, content []byte) { out[i].Signed = content })
}

// contents reads small objects, in order.
func (c clone) contents(ctx context.Context, objects []string, each func(i int, content []byte)) (err error) {
	cmd := exec.CommandContext(ctx, "git", "-C", c.path, "--no-replace-objects", "cat-file", "--batch")
	cmd.Stdin = strings.NewReader(strings.Join(objects, "\n") + "\n")
	if len(objects) == 0 {
		return nil
	}
	var wrong bytes.Buffer
	cmd.Stderr = &wrong
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("git cat-file: %w", err)
	}
	in := bufio.NewReader(stdout)
	for i, sha := range objects {
		content, err := oneObject(in, sha)
		if err != nil {
			return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
		}
		each(i, content)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("git cat-file: %w: %s", err, strings.TrimSpace(wrong.String()))
	}
	return nil
}

// oneObject reads an object as git cat-file --batch writes it: its id, type and size, and then itself.
func oneObject(in *bufio.Reader, sha string) ([]byte, error) {
	head, err := in.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %s: %w", sha, err)
	}
	text, ok := strings.CutPrefix(strings.TrimSuffix(head, "\n"), sha+" blob ")
	size, err := strconv.Atoi(text)
	if !ok || err != nil || size > maxSmall {
		return nil, fmt.Errorf("the object %s is no checkpoint: it is larger than %d bytes, or no file", sha, maxSmall)
	}
	content := make([]byte, size+1) // and a line end
	_, err = io.ReadFull(in, content)
	return content[:size], err
}
