package policy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// classifyCase is one line of testdata/classify.
type classifyCase struct {
	Case   string   `json:"case"`
	Class  Class    `json:"class"`
	Agents []string `json:"agents"`
	Change struct {
		Author  account    `json:"author"`
		App     App        `json:"app"`
		HeadRef string     `json:"head_ref"`
		Title   string     `json:"title"`
		Body    string     `json:"body"`
		Labels  []string   `json:"labels"`
		Commits []gitEntry `json:"commits"`
		Pushers []account  `json:"pushers"`
	} `json:"change"`
}

type account struct {
	Login string    `json:"login"`
	ID    int64     `json:"id"`
	Type  ActorType `json:"type"`
}

type gitEntry struct {
	SHA               string   `json:"sha"`
	Message           string   `json:"message"`
	Parents           []string `json:"parents"`
	Author, Committer struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	}
}

func (c *classifyCase) traces() Traces {
	actor := func(a account) Actor { return Actor{ID: a.ID, Login: a.Login, Type: a.Type} }
	t := Traces{
		Author: actor(c.Change.Author), App: c.Change.App, HeadRef: c.Change.HeadRef,
		Title: c.Change.Title, Body: c.Change.Body, Labels: c.Change.Labels,
	}
	for i, m := range c.Change.Commits {
		headline, _, _ := strings.Cut(m.Message, "\n")
		t.Commits = append(t.Commits, Commit{
			SHA: fmt.Sprintf("%s%d", m.SHA, i), Headline: headline, Parents: m.Parents,
			Trailers:  MessageTrailers(Builtin(), m.Message),
			Author:    Identity{Name: m.Author.Name, Email: m.Author.Email},
			Committer: Identity{Name: m.Committer.Name, Email: m.Committer.Email},
		})
	}
	for _, p := range c.Change.Pushers {
		t.Pushes = append(t.Pushes, Push{Pusher: actor(p), After: "beef"})
	}
	return t
}

// classifyCases reads every case.
func classifyCases(t testing.TB) []classifyCase {
	t.Helper()
	files, err := filepath.Glob("../testdata/classify/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no case files: %v", err)
	}
	var cases []classifyCase
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		scanner := bufio.NewScanner(file)
		for number := 1; scanner.Scan(); number++ {
			if strings.HasPrefix(scanner.Text(), "#") {
				continue
			}
			var c classifyCase
			decoder := json.NewDecoder(strings.NewReader(scanner.Text()))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&c); err != nil {
				t.Fatalf("%s:%d: %v", name, number, err)
			}
			c.Case = fmt.Sprintf("%s:%d %s", filepath.Base(name), number, c.Case)
			cases = append(cases, c)
		}
		if err := scanner.Err(); err != nil {
			t.Fatal(err)
		}
		file.Close()
	}
	return cases
}

func TestClassifyCases(t *testing.T) {
	for _, c := range classifyCases(t) {
		got := Classify(Builtin(), c.traces())
		if got.Class != c.Class || !slices.Equal(got.Agents, c.Agents) {
			t.Errorf("%s:\n got %s %v\nwant %s %v\nsignals %+v", c.Case, got.Class, got.Agents, c.Class, c.Agents, got.Signals)
		}
	}
}

// Every entry of the catalogue is recognised in at least one case.
func TestEveryAgentHasACase(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range classifyCases(t) {
		for _, name := range c.Agents {
			seen[name] = true
		}
	}
	for _, a := range Builtin().Agents() {
		if !seen[a.Name] {
			t.Errorf("testdata/classify has no case in which %s is recognised", a.Name)
		}
	}
}

// The order of commits, pushes, labels and trailers does not matter.
func TestClassifyIgnoresOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	all := Traces{}
	for _, c := range classifyCases(t) {
		one := c.traces()
		all.Commits = append(all.Commits, one.Commits...)
		all.Pushes = append(all.Pushes, one.Pushes...)
		all.Labels = append(all.Labels, one.Labels...)
	}
	want := Classify(Builtin(), all)
	for range 20 {
		random.Shuffle(len(all.Commits), func(i, j int) { all.Commits[i], all.Commits[j] = all.Commits[j], all.Commits[i] })
		random.Shuffle(len(all.Pushes), func(i, j int) { all.Pushes[i], all.Pushes[j] = all.Pushes[j], all.Pushes[i] })
		for _, m := range all.Commits {
			random.Shuffle(len(m.Trailers), func(i, j int) { m.Trailers[i], m.Trailers[j] = m.Trailers[j], m.Trailers[i] })
		}
		if got := Classify(Builtin(), all); !reflect.DeepEqual(got, want) {
			t.Fatalf("another order gives another classification:\n got %+v\nwant %+v", got, want)
		}
	}
}

// scrutinyOf orders the classes by how much they are looked at. Those that are no agent's
// are one: which of them it is has nothing to do with agents.
func scrutinyOf(c Class) int {
	switch c {
	case ClassAgent:
		return 3
	case ClassAssisted:
		return 2
	case ClassSuggestion:
		return 1
	}
	return 0
}

// A trace of an agent that is added to any change never lowers the class.
func TestMoreTracesNeverLowerScrutiny(t *testing.T) {
	cases := classifyCases(t)
	for _, base := range cases {
		before := Classify(Builtin(), base.traces()).Class
		for _, more := range cases {
			sum, added := base.traces(), more.traces()
			if len(more.Agents) == 0 || more.Class == ClassAutomation || more.Class == ClassPlatform {
				continue
			}
			sum.Commits = append(sum.Commits, added.Commits...)
			sum.Pushes = append(sum.Pushes, added.Pushes...)
			sum.Labels = append(sum.Labels, added.Labels...)
			if added.Body != "" {
				sum.Body += "\n\n" + added.Body
			}
			if after := Classify(Builtin(), sum).Class; scrutinyOf(after) < scrutinyOf(before) {
				t.Fatalf("%s with %s: class fell from %s to %s", base.Case, more.Case, before, after)
			}
		}
	}
}

// What an organisation adds never hides what the catalogue recognises, whatever it says.
func TestAdditionsNeverLowerScrutiny(t *testing.T) {
	var extra []Agent
	for _, a := range Builtin().Agents() {
		a.Name, a.Kind, a.Suggests, a.Local = "hide-"+a.Name, KindAutomation, true, true
		extra = append(extra, a)
	}
	with := Builtin().With(extra)
	for _, c := range classifyCases(t) {
		before, after := Classify(Builtin(), c.traces()).Class, Classify(with, c.traces()).Class
		if scrutinyOf(after) < scrutinyOf(before) {
			t.Errorf("%s: class fell from %s to %s", c.Case, before, after)
		}
	}
}

// What facts keep of a body says the same as the body.
func TestMarkersSayWhatTheBodySays(t *testing.T) {
	for _, c := range classifyCases(t) {
		whole := c.traces()
		facts := Facts{Change: Change{Author: whole.Author, HeadRef: whole.HeadRef, Title: whole.Title, Labels: whole.Labels}}
		facts.Change.Markers = Markers(Builtin(), whole.Body)
		facts.Commits.Items, facts.Pushes = whole.Commits, whole.Pushes
		if whole.App != (App{}) || whole.Author == (Actor{}) {
			continue // facts do not know the App, and always know that somebody opened it
		}
		if got, want := Classify(Builtin(), TracesOf(&facts)), Classify(Builtin(), whole); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.Case, got, want)
		}
	}
}

// Commits alone make no automation of a pull request whose author is not known: anybody
// can write an automation's address.
func TestUnknownAuthorIsNoAutomation(t *testing.T) {
	facts := Facts{Commits: List[Commit]{Items: []Commit{{SHA: "a", Author: Identity{Name: "dependabot[bot]", Email: "49699333+dependabot[bot]@users.noreply.github.com"}}}}}
	if got := AuthorshipOf(Builtin(), &facts).Class; got != ClassUndetected {
		t.Errorf("got %s, want %s", got, ClassUndetected)
	}
}

func TestMarkersAreBounded(t *testing.T) {
	long := strings.Repeat("x", 1000) + " https://app.devin.ai/sessions/0123456789abcdef0123456789abcdef requested by @oskar"
	body := long + "\n"
	for i := range 200 {
		body += fmt.Sprintf("https://claude.ai/code/session_%d\n", i)
	}
	got := Markers(Builtin(), body)
	if len(got) != MaxMarkers {
		t.Errorf("got %d lines, want %d", len(got), MaxMarkers)
	}
	for _, line := range got {
		if len(line) > MaxMarkerBytes {
			t.Errorf("line of %d bytes", len(line))
		}
	}
	if !strings.HasPrefix(got[0], "app.devin.ai/sessions/") || !strings.HasPrefix(got[1], "requested by @oskar") {
		t.Errorf("of a long line got %q and %q, want what was found in it", got[0], got[1])
	}
	if again := Markers(Builtin(), strings.Join(got, "\n")); !slices.Equal(again, got) {
		t.Errorf("markers of markers differ:\n got %q\nwant %q", again, got)
	}
}

func TestSignalValuesAreCut(t *testing.T) {
	got := Classify(Builtin(), Traces{Commits: []Commit{{SHA: "a", Trailers: []Trailer{{"Claude-Steers", strings.Repeat("é", 300)}}}}})
	if len(got.Signals) != 1 || len(got.Signals[0].Value) > maxValueBytes {
		t.Fatalf("got %+v, want one signal of at most %d bytes", got.Signals, maxValueBytes)
	}
}

func FuzzClassify(f *testing.F) {
	for _, c := range classifyCases(f) {
		message := ""
		if len(c.Change.Commits) > 0 {
			message = c.Change.Commits[0].Message
		}
		f.Add(c.Change.Author.Login, c.Change.Author.ID, c.Change.HeadRef, c.Change.Body, message, "a@b.example")
	}
	f.Fuzz(func(t *testing.T, login string, id int64, branch, body, message, email string) {
		traces := Traces{
			Author: Actor{Login: login, ID: id}, HeadRef: branch, Title: login, Body: body,
			Commits: []Commit{{SHA: "a", Headline: message, Trailers: MessageTrailers(Builtin(), message), Author: Identity{Email: email, Name: login}}},
		}
		got := Classify(Builtin(), traces)
		if again := Classify(Builtin(), traces); !reflect.DeepEqual(got, again) {
			t.Fatalf("two classifications differ:\n%+v\n%+v", got, again)
		}
		if got.Class == ClassUndetected && len(got.Agents) > 0 || got.Class != ClassUndetected && len(got.Agents) == 0 {
			t.Fatalf("class %s with agents %v", got.Class, got.Agents)
		}
		for _, s := range got.Signals {
			if len(s.Value) > maxValueBytes || s.Agent == "" || s.Where == "" {
				t.Fatalf("signal %+v", s)
			}
		}
		lines := Markers(Builtin(), body)
		if again := Markers(Builtin(), strings.Join(lines, "\n")); len(lines) < MaxMarkers && len(again) < len(lines) {
			t.Fatalf("markers are lost: %q then %q", lines, again)
		}
	})
}
