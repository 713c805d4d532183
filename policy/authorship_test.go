package policy

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var (
	mira  = Actor{ID: 5001, Login: "mira", Type: TypeUser}
	oskar = Actor{ID: 5002, Login: "oskar", Type: TypeUser}
	lea   = Actor{ID: 5003, Login: "lea", Type: TypeUser}
	devin = Actor{ID: 158243242, Login: "devin-ai-integration", Type: TypeBot}
	cop   = Actor{ID: 198982749, Login: "Copilot", Type: TypeBot}

	devinIdentity = Identity{Name: "Devin AI", Email: "158243242+devin-ai-integration[bot]@users.noreply.github.com", Account: devin}
	github        = Identity{Name: "GitHub", Email: "noreply@github.com", Account: Actor{ID: 19864447, Login: "web-flow", Type: TypeUser}}
)

func by(a Actor) Identity {
	return Identity{Name: a.Login, Email: a.Login + "@example.com", Account: a}
}

// memberList writes members as "login-or-address: roles".
func memberList(members []Member) []string {
	list := []string{}
	for _, m := range members {
		name := m.Actor.Login
		if name == "" {
			name = m.Email
		}
		list = append(list, name+": "+strings.Join(m.Roles, ", "))
	}
	slices.Sort(list)
	return list
}

func TestAuthorship(t *testing.T) {
	agentCommit := Commit{SHA: "a1", Author: devinIdentity, Committer: github}
	for _, test := range []struct {
		what       string
		facts      Facts
		class      Class
		authors    []string
		initiators []string
		known      bool
	}{
		{
			what:    "a person's change",
			facts:   Facts{Change: Change{Author: mira, Markers: []string{"Requested by: @oskar"}}, Commits: List[Commit]{Items: []Commit{{Author: by(mira), Committer: github, CoAuthors: []Identity{by(lea)}}}}},
			class:   ClassUndetected,
			authors: []string{"lea: co-author", "mira: author, commit author"}, initiators: []string{}, known: true,
		},
		{
			what:    "an agent's change with claims alone",
			facts:   Facts{Change: Change{Author: devin, Markers: []string{"Requested by: @oskar"}}, Commits: List[Commit]{Items: []Commit{{Author: devinIdentity, Committer: github, CoAuthors: []Identity{by(lea)}, Trailers: []Trailer{{"Co-Authored-By", "lea <lea@example.com>"}, {"Co-authored-by", "Nils <nils@example.org>"}}}}}},
			class:   ClassAgent,
			authors: []string{"devin-ai-integration: author, commit author", "lea: co-author", "nils@example.org: co-author"}, initiators: []string{"lea: claimed: co-author", "nils@example.org: claimed: co-author", "oskar: claimed: requested by"}, known: false,
		},
		{
			what:    "a person gave it to the agent",
			facts:   Facts{Change: Change{Author: cop}, Assignments: List[Assignment]{Complete: true, Items: []Assignment{{By: mira, Assignee: cop}, {By: oskar, Assignee: lea}, {By: lea, Assignee: cop, Removed: true}}}},
			class:   ClassAgent,
			authors: []string{"Copilot: author"}, initiators: []string{"mira: assigned the agent"}, known: true,
		},
		{
			what:    "a list of assignments with gaps",
			facts:   Facts{Change: Change{Author: cop}, Assignments: List[Assignment]{Items: []Assignment{{By: mira, Assignee: cop}}}},
			class:   ClassAgent,
			authors: []string{"Copilot: author"}, initiators: []string{"mira: assigned the agent"}, known: false,
		},
		{
			what:    "a bot gave it to the agent, and the agent to a person",
			facts:   Facts{Change: Change{Author: cop}, Assignments: List[Assignment]{Complete: true, Items: []Assignment{{By: Actor{ID: 41898282, Login: "github-actions", Type: TypeBot}, Assignee: cop}, {By: cop, Assignee: lea}}}},
			class:   ClassAgent,
			authors: []string{"Copilot: author"}, initiators: []string{"lea: claimed: assigned by an agent"}, known: false,
		},
		{
			what:    "an agent's commits under a person's pull request",
			facts:   Facts{Change: Change{Author: mira}, Commits: List[Commit]{Items: []Commit{agentCommit}}, Pushes: []Push{{Pusher: mira}}},
			class:   ClassAgent,
			authors: []string{"devin-ai-integration: commit author", "mira: author, pusher"}, initiators: []string{"mira: author, pusher"}, known: true,
		},
		{
			what:    "a person pushed to an agent's pull request: not who asked",
			facts:   Facts{Change: Change{Author: devin}, Pushes: []Push{{Pusher: devin}, {Pusher: oskar}}},
			class:   ClassAgent,
			authors: []string{"devin-ai-integration: author, pusher", "oskar: pusher"}, initiators: []string{"oskar: pusher"}, known: false,
		},
		{
			what:    "a workflow opened it, a person pushed what an agent wrote",
			facts:   Facts{Change: Change{Author: Actor{ID: 41898282, Login: "github-actions", Type: TypeBot}}, Commits: List[Commit]{Items: []Commit{agentCommit}}, Pushes: []Push{{Pusher: mira}}},
			class:   ClassAgent,
			authors: []string{"devin-ai-integration: commit author", "github-actions: author", "mira: pusher"}, initiators: []string{"mira: pusher"}, known: true,
		},
		{
			what:    "a person assisted by a tool",
			facts:   Facts{Change: Change{Author: mira}, Commits: List[Commit]{Items: []Commit{{Author: by(mira), Trailers: []Trailer{{"Made-with", "Cursor"}}}}}},
			class:   ClassAssisted,
			authors: []string{"mira: author, commit author"}, initiators: []string{"mira: author"}, known: true,
		},
		{
			what:  "nobody knows who opened it",
			facts: Facts{Commits: List[Commit]{Items: []Commit{agentCommit}}},
			class: ClassAgent, authors: []string{"devin-ai-integration: commit author"}, initiators: []string{}, known: false,
		},
		{
			what:  "Mannequins and ghosts are nobody who could have asked",
			facts: Facts{Change: Change{Author: Actor{ID: 10137, Login: "ghost", Type: TypeGhost}}, Commits: List[Commit]{Items: []Commit{agentCommit}}},
			class: ClassAgent, authors: []string{"devin-ai-integration: commit author", "ghost: author"}, initiators: []string{}, known: false,
		},
	} {
		got := AuthorshipOf(Builtin(), &test.facts)
		if got.Class != test.class || got.InitiatorKnown != test.known {
			t.Errorf("%s: got %s, initiator known %v, want %s, %v", test.what, got.Class, got.InitiatorKnown, test.class, test.known)
		}
		if authors := memberList(got.Authors); !slices.Equal(authors, test.authors) {
			t.Errorf("%s: authors\n got %q\nwant %q", test.what, authors, test.authors)
		}
		if initiators := memberList(got.Initiators); !slices.Equal(initiators, test.initiators) {
			t.Errorf("%s: initiators\n got %q\nwant %q", test.what, initiators, test.initiators)
		}
	}
}

// Claims can name more people who may not approve, and never make the initiator known.
func TestClaimsOnlyAddPeople(t *testing.T) {
	facts := Facts{Change: Change{Author: devin}, Commits: List[Commit]{Items: []Commit{{Author: devinIdentity}}}}
	before := AuthorshipOf(Builtin(), &facts)
	facts.Change.Markers = []string{"Requested by: @oskar", "started by @lea and @nils"}
	facts.Commits.Items[0].Trailers = []Trailer{{"Co-authored-by", "Mira <5001+mira@users.noreply.github.com>"}}
	after := AuthorshipOf(Builtin(), &facts)
	if before.InitiatorKnown || after.InitiatorKnown {
		t.Error("a claim made the initiator known")
	}
	for _, a := range []Actor{oskar, lea, mira} {
		if !slices.ContainsFunc(after.Initiators, func(m Member) bool { return m.Is(a) }) {
			t.Errorf("%s is claimed to have asked, and is not among %q", a.Login, memberList(after.Initiators))
		}
	}
}

func TestMemberIs(t *testing.T) {
	for _, test := range []struct {
		what   string
		member Member
		actor  Actor
		want   bool
	}{
		{"the same id", Member{Actor: Actor{ID: 5001, Login: "old-name"}}, mira, true},
		{"the same login, another id: reused", Member{Actor: Actor{ID: 7, Login: "mira"}}, mira, false},
		{"a claimed login", Member{Actor: Actor{Login: "MIRA"}}, mira, true},
		{"another claimed login", Member{Actor: Actor{Login: "mirax"}}, mira, false},
		{"an address with the id", Member{Email: "5001+renamed@users.noreply.github.com"}, mira, true},
		{"an address with another id", Member{Email: "7+mira@users.noreply.github.com"}, mira, false},
		{"an old address without id", Member{Email: "Mira@users.noreply.github.com"}, mira, true},
		{"an address elsewhere", Member{Email: "mira@example.com"}, mira, false},
		{"nothing", Member{}, mira, false},
		{"nothing and nobody", Member{}, Actor{}, false},
	} {
		if got := test.member.Is(test.actor); got != test.want {
			t.Errorf("%s: got %v, want %v", test.what, got, test.want)
		}
	}
}

func TestRequesters(t *testing.T) {
	for _, test := range []struct {
		line string
		want []string
	}{
		{"Requested by: @oskar", []string{"oskar"}},
		{"**Requested by** [@oskar](https://github.com/oskar)", []string{"oskar"}},
		{"Requested by: Oskar Berg (@oskar)", []string{"oskar"}},
		{"PR created automatically by Jules for task [1](https://jules.google.com/task/1) started by @oskar", []string{"oskar"}},
		{"on behalf of @oskar, @lea and @nils-x", []string{"oskar", "lea", "nils-x"}},
		{"requested by oskar@example.com", nil},
		{"requested by @devin-ai-integration[bot]", nil},
		{"@oskar asked", nil},
		{"restarted by @oskar", nil},
		{"requested by " + strings.Repeat("x ", 60) + "@oskar", nil},
		{"requested by @" + strings.Repeat("x", 40), nil},
	} {
		if got, _ := requesters(test.line); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.line, got, test.want)
		}
	}
}

// hundredCommits are the facts of a change with 100 commits by an agent for a person.
func hundredCommits() *Facts {
	f := &Facts{Change: Change{Author: devin, HeadRef: "devin/1764000000-retry", Markers: []string{
		"Link to Devin run: https://app.devin.ai/sessions/0123456789abcdef0123456789abcdef", "Requested by: @oskar",
	}}}
	f.Assignments.Complete = true
	for i := range 100 {
		f.Commits.Items = append(f.Commits.Items, Commit{
			SHA: fmt.Sprintf("%040d", i), Headline: "Retry the upload", Parents: []string{"a"},
			Author: devinIdentity, Committer: github, CoAuthors: []Identity{by(mira)},
			Trailers: []Trailer{{"Co-Authored-By", "mira <mira@example.com>"}, {"Signed-off-by", "lea <lea@example.com>"}},
		})
	}
	return f
}

func TestAuthorshipIsDeterministic(t *testing.T) {
	f := hundredCommits()
	want := AuthorshipOf(Builtin(), f)
	slices.Reverse(f.Commits.Items)
	if got := AuthorshipOf(Builtin(), f); !reflect.DeepEqual(got, want) {
		t.Error("another order of commits gives another authorship")
	}
}

func BenchmarkAuthorship100Commits(b *testing.B) {
	c, f := Builtin(), hundredCommits()
	b.ReportAllocs()
	for b.Loop() {
		AuthorshipOf(c, f)
	}
}

// Every commit by somebody else: nothing can be remembered from one to the next.
func BenchmarkAuthorship100Strangers(b *testing.B) {
	c, f := Builtin(), hundredCommits()
	for i := range f.Commits.Items {
		m := &f.Commits.Items[i]
		m.Author = by(Actor{ID: int64(9000 + i), Login: fmt.Sprint("person", i), Type: TypeUser})
		m.Committer, m.CoAuthors = m.Author, nil
		m.Trailers = []Trailer{{"Co-authored-by", fmt.Sprintf("Claude %d <noreply@anthropic.com>", i)}}
	}
	b.ReportAllocs()
	for b.Loop() {
		AuthorshipOf(c, f)
	}
}
