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
	"strings"

	"github.com/countersign/countersign/policy"
)

const classifyHelp = `countersign classify says which changes carry traces of agents, and which traces.

It needs no server and no account. "undetected" means that no agent indicator was found;
it is not a claim about who wrote the change.

With --git it classifies the commits of a local clone: one JSON object per commit, then a
table of commits and changed lines by class, by agent and by month.

Without, it reads pull requests from standard input, one JSON object per line, any field of
which may be missing (not known), and writes one object per line:

  {"id":1,"author":{"login":"octo","id":1,"type":"User"},"head_ref":"fix","title":"…","body":"…",
   "commits":[{"sha":"…","message":"…","author":{"name":"…","email":"…","login":"…","id":1},"committer":{…}}]}

examples:
  countersign classify --git . --summary
  countersign classify --git ~/src/project --range v1.0..main
  countersign classify < pull-requests.jsonl`

// MaxClassifyLine is the longest line of input, in bytes.
const MaxClassifyLine = 4 << 20

// runClassify is the classify command.
func runClassify(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("classify", stderr, classifyHelp)
	dir := flags.String("git", "", "classify the commits of the local clone in `DIR`")
	revisions := flags.String("range", "", "with --git: only these commits, e.g. `A..B`; left out: all of HEAD")
	summary := flags.Bool("summary", false, "with --git: only the table")
	if err := parseFlags(flags, args); err != nil {
		return err
	}
	if *dir == "" && (*revisions != "" || *summary) {
		fmt.Fprintln(stderr, "countersign classify: --range and --summary need --git DIR")
		return errUsage
	}
	catalogue := policy.Builtin()
	out := bufio.NewWriterSize(stdout, 64<<10)
	var err error
	if *dir != "" {
		err = classifyClone(ctx, catalogue, clone{dir: *dir, revisions: *revisions}, *summary, out, stderr)
	} else {
		if isTerminal(stdin) {
			fmt.Fprintln(stderr, "reading JSON lines from the terminal, until Ctrl-D; for a local clone: countersign classify --git DIR")
		}
		err = classifyLines(ctx, catalogue, stdin, out, stderr)
	}
	return errors.Join(err, out.Flush())
}

// isTerminal reports whether a reader or writer is a terminal.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// changeLine is one line of input. Fields that we do not know are ignored: exports differ.
type changeLine struct {
	ID      json.RawMessage `json:"id"`
	Author  accountLine     `json:"author"`
	App     appLine         `json:"app"`
	HeadRef string          `json:"head_ref"`
	Title   string          `json:"title"`
	Body    string          `json:"body"`
	Labels  []string        `json:"labels"`
	Commits []commitLine    `json:"commits"`
	Pushers []accountLine   `json:"pushers"`
}

// accountLine is an account as GitHub asserts it.
type accountLine struct {
	Login string `json:"login"`
	ID    int64  `json:"id"`
	Type  string `json:"type"`
}

type appLine struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
}

type commitLine struct {
	SHA       string       `json:"sha"`
	Message   string       `json:"message"`
	Parents   []string     `json:"parents"`
	Author    identityLine `json:"author"`
	Committer identityLine `json:"committer"`
}

// identityLine is what git records, with the account that GitHub found for it.
type identityLine struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	accountLine
}

func (a accountLine) actor() policy.Actor {
	return policy.Actor{ID: a.ID, Login: a.Login, Type: policy.ActorType(a.Type)}
}

func (i identityLine) identity() policy.Identity {
	return policy.Identity{Name: i.Name, Email: i.Email, Account: i.actor()}
}

// traces turns a line into what the catalogue looks at.
func (l *changeLine) traces(c *policy.Catalogue) policy.Traces {
	t := policy.Traces{
		Author: l.Author.actor(), App: policy.App{ID: l.App.ID, Slug: l.App.Slug},
		HeadRef: l.HeadRef, Title: l.Title, Body: l.Body, Labels: l.Labels,
	}
	for i := range l.Commits {
		m := &l.Commits[i]
		headline, _, _ := strings.Cut(m.Message, "\n")
		t.Commits = append(t.Commits, policy.Commit{
			SHA: m.SHA, Headline: headline, Parents: m.Parents, Trailers: policy.MessageTrailers(c, m.Message),
			Author: m.Author.identity(), Committer: m.Committer.identity(),
		})
	}
	for _, p := range l.Pushers {
		t.Pushes = append(t.Pushes, policy.Push{Pusher: p.actor()})
	}
	return t
}

// resultLine is one line of output.
type resultLine struct {
	ID      json.RawMessage `json:"id"`
	Class   policy.Class    `json:"class"`
	Agents  []string        `json:"agents"`
	Signals []policy.Signal `json:"signals"`
}

// writeResult writes one line; what a change says of itself is escaped by JSON.
func writeResult(out io.Writer, id json.RawMessage, c policy.Classification) error {
	if len(id) == 0 {
		id = json.RawMessage("null")
	}
	line, err := json.Marshal(resultLine{ID: id, Class: c.Class, Agents: c.Agents, Signals: c.Signals})
	if err != nil {
		return err
	}
	_, err = out.Write(append(line, '\n'))
	return err
}

// classifyLines classifies JSON lines. A line that cannot be read is reported by its
// number, and the rest goes on; the error in the end counts them.
func classifyLines(ctx context.Context, c *policy.Catalogue, in io.Reader, out, stderr io.Writer) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	bad, read := 0, 0
	for number := 1; ; number++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := readLine(reader, MaxClassifyLine)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errLongLine) {
			return fmt.Errorf("read standard input: %w", err)
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		read++
		var change changeLine
		if err == nil {
			err = json.Unmarshal(line, &change)
		}
		if err != nil {
			bad++
			fmt.Fprintf(stderr, "countersign classify: line %d: %s\n", number, explain(err))
			continue
		}
		if err := writeResult(out, change.ID, policy.Classify(c, change.traces(c))); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d lines could not be read\n  hint: each line must be one JSON object; see countersign classify -h", bad, read)
	}
	return nil
}

// errLongLine is a line above the limit; the reader stands at the next one.
var errLongLine = fmt.Errorf("longer than %d bytes", MaxClassifyLine)

// readLine reads one line of at most limit bytes, without its end. io.EOF means that there
// is none left.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > limit; !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !long):
			return nil, err
		case long:
			return nil, errLongLine
		}
		return bytes.TrimRight(line, "\r\n"), nil
	}
}

// explain says what is wrong with a line, without repeating its content.
func explain(err error) string {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		return fmt.Sprintf("field %s: must be %s, not %s", wrongType.Field, kindName(wrongType.Type.Kind().String()), wrongType.Value)
	}
	if errors.As(err, &wrongType) {
		return "must be a JSON object, not " + wrongType.Value
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("no JSON: %s (byte %d)", syntax.Error(), syntax.Offset)
	}
	return err.Error()
}

// kindName says in JSON's words what a Go kind is.
func kindName(kind string) string {
	switch kind {
	case "string":
		return "a string"
	case "int64":
		return "a whole number"
	case "slice":
		return "a list"
	}
	return "an object"
}
