package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// clone is a local clone, and what of it to look at.
type clone struct {
	dir string
	// revisions is a range of git's, empty for all of HEAD.
	revisions string
}

// commitStat is one commit of the clone with the size of its change.
type commitStat struct {
	policy.Commit
	Message string
	// Lines is the number of added and deleted lines; 0 for merges and binary files.
	Lines int64
	// At is the committer's date, UTC.
	At time.Time
}

// progressEvery is how many commits pass between two lines of progress.
const progressEvery = 2000

// classifyClone classifies every commit and ends with the summary.
func classifyClone(ctx context.Context, c *policy.Catalogue, from clone, onlySummary bool, out, stderr io.Writer) error {
	if err := from.check(ctx, stderr); err != nil {
		return err
	}
	total := summary{}
	showProgress := isTerminal(stderr)
	err := from.log(ctx, func(m *commitStat) error {
		headline, _, _ := strings.Cut(m.Message, "\n")
		m.Headline, m.Trailers = headline, policy.MessageTrailers(c, m.Message)
		found := policy.Classify(c, policy.Traces{Commits: []policy.Commit{m.Commit}})
		total.add(found, m)
		if showProgress && total.commits%progressEvery == 0 {
			fmt.Fprintf(stderr, "\r%d commits", total.commits)
		}
		if onlySummary {
			return nil
		}
		return writeResult(out, json.RawMessage(strconv.Quote(m.SHA)), found)
	})
	if showProgress && total.commits >= progressEvery {
		fmt.Fprintf(stderr, "\r%d commits\n", total.commits)
	}
	if err != nil {
		return err
	}
	if !onlySummary && total.commits > 0 {
		fmt.Fprintln(out)
	}
	return total.write(out)
}

// git prepares a git command on the clone that neither the clone's nor the user's settings
// can change the output of.
func (from clone) git(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", from.dir, "--no-pager"}, args...)...)
	// Replacement objects would show another history than the one that was pushed.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "GIT_NO_REPLACE_OBJECTS=1", "GIT_OPTIONAL_LOCKS=0")
	return cmd
}

// check says clearly why there is nothing to classify.
func (from clone) check(ctx context.Context, stderr io.Writer) error {
	if _, err := exec.LookPath("git"); err != nil {
		return errors.New("git is not installed, or not in PATH\n  hint: install git; classify --git reads the clone with it")
	}
	if strings.HasPrefix(from.revisions, "-") {
		return fmt.Errorf("--range %s is no range of commits\n  hint: for example --range v1.0..HEAD", strconv.Quote(from.revisions))
	}
	if info, err := os.Stat(from.dir); err != nil {
		return fmt.Errorf("--git %s: %w\n  hint: name the folder of a local clone", from.dir, err)
	} else if !info.IsDir() {
		return fmt.Errorf("--git %s: is no folder\n  hint: name the folder of a local clone", from.dir)
	}
	shallow, err := from.git(ctx, "rev-parse", "--is-shallow-repository").Output()
	if err != nil {
		return fmt.Errorf("--git %s: %s\n  hint: name the folder of a local clone, or make one: git clone URL", from.dir, gitSays(err))
	}
	if strings.TrimSpace(string(shallow)) == "true" {
		fmt.Fprintln(stderr, "countersign classify: the clone is shallow, so older commits are missing; `git fetch --unshallow` gets them")
	}
	head := from.tip()
	if err := from.git(ctx, "rev-list", "--max-count=1", "--end-of-options", head, "--").Run(); err != nil {
		if from.revisions == "" {
			return fmt.Errorf("--git %s: has no commits yet", from.dir)
		}
		return fmt.Errorf("--range %s: no such commits in %s\n  hint: git rev-parse shows what a name stands for", strconv.Quote(from.revisions), from.dir)
	}
	return nil
}

func (from clone) tip() string {
	if from.revisions == "" {
		return "HEAD"
	}
	return from.revisions
}

// gitSays returns git's own words for an error.
func gitSays(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if text := firstLine(exit.Stderr); text != "" {
			return strconv.QuoteToGraphic(text)
		}
	}
	return err.Error()
}

func firstLine(text []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return string(line)
}

// logFormat is one commit: fields that end with NUL, which none of them can contain.
//
// Source: https://git-scm.com/docs/git-log (PRETTY FORMATS, -z, --numstat).
const logFormat = "tformat:%x00%H%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%ct%x00%B%x00"

// log calls see for every commit, newest first.
func (from clone) log(ctx context.Context, see func(*commitStat) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := from.git(ctx, "log", "-z", "--numstat", "-M", "--no-mailmap", "--no-show-signature", "--no-color",
		"--no-ext-diff", "--no-textconv", "--no-relative", "--diff-merges=off", "--encoding=UTF-8",
		"--format="+logFormat, "--end-of-options", from.tip(), "--")
	var stderr limitedBuffer
	cmd.Stderr = &stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("git log: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git log: %w", err)
	}
	readErr := (&logReader{in: bufio.NewReaderSize(output, 256<<10)}).each(see)
	if readErr != nil {
		stop() // git would wait for us to read on
	}
	waitErr := cmd.Wait()
	if readErr != nil {
		return readErr
	}
	if waitErr != nil {
		return fmt.Errorf("git log: %s: the history was not read to its end", strconv.QuoteToGraphic(firstLine(stderr.data)))
	}
	return nil
}

// limitedBuffer keeps the beginning of what git complains about.
type limitedBuffer struct{ data []byte }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.data = append(b.data, p[:min(len(p), 4096-len(b.data))]...)
	return len(p), nil
}

// logReader takes the output of git log apart.
type logReader struct{ in *bufio.Reader }

// maxField bounds one field; commit messages have no limit of their own.
const maxField = 16 << 20

// field reads up to the next NUL.
func (r *logReader) field() (string, error) {
	var field []byte
	for {
		part, err := r.in.ReadSlice(0)
		field = append(field, part...)
		if len(field) > maxField {
			return "", errors.New("git log: a field is larger than 16 MiB")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(bytes.TrimSpace(field)) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		return string(field[:len(field)-1]), nil
	}
}

// each calls see for every commit. A commit is an empty field, its eight fields, an empty
// field, and the numbers of its files; the next empty field begins the next commit.
func (r *logReader) each(see func(*commitStat) error) error {
	_, err := r.field()
	for err == nil {
		var m *commitStat
		if m, err = r.commit(); err != nil {
			break
		}
		more := r.files(m)
		if more != nil && !errors.Is(more, io.EOF) {
			return fmt.Errorf("git log: commit %s: %w", m.SHA, more)
		}
		if err = see(m); err == nil {
			err = more
		} else {
			return err
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("git log: %w", err)
}

// commit reads the eight fields, and the empty one behind them.
func (r *logReader) commit() (*commitStat, error) {
	var f [9]string
	for i := range f {
		var err error
		if f[i], err = r.field(); err != nil {
			if errors.Is(err, io.EOF) && i > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	seconds, err := strconv.ParseInt(f[6], 10, 64)
	if err != nil || f[8] != "" || len(f[0]) < 40 {
		return nil, errors.New("unexpected output; is this git 2.31 or newer?")
	}
	return &commitStat{
		Commit: policy.Commit{
			SHA: f[0], Parents: strings.Fields(f[1]),
			Author:    policy.Identity{Name: f[2], Email: f[3]},
			Committer: policy.Identity{Name: f[4], Email: f[5]},
		},
		Message: f[7], At: time.Unix(seconds, 0).UTC(),
	}, nil
}

// files adds up the changed lines, to the beginning of the next commit or io.EOF.
func (r *logReader) files(m *commitStat) error {
	for {
		entry, err := r.field()
		if err != nil {
			return err
		}
		if entry == "" {
			return nil
		}
		added, rest, ok1 := strings.Cut(strings.TrimPrefix(entry, "\n"), "\t")
		deleted, path, ok2 := strings.Cut(rest, "\t")
		if !ok1 || !ok2 {
			return errors.New("unexpected output of --numstat")
		}
		m.Lines += count(added) + count(deleted)
		if path != "" {
			continue
		}
		for range 2 { // a rename: both names follow
			if _, err := r.field(); err != nil {
				return io.ErrUnexpectedEOF
			}
		}
	}
}

// count reads a number of lines; "-" stands for a binary file.
func count(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
