package policy

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// builtinDigest is the SHA-256 of agents.yml. When this test fails you have changed what
// decisions rest on: raise `revision` in agents.yml, then change the digest here.
const builtinDigest = "1adcc8ddc3e24526fad87f3b752b8a3bfb13070e513e7a4ac133ce9fad0915b8"

func TestBuiltinDigest(t *testing.T) {
	sum := sha256.Sum256(Builtin().Bytes())
	if got := hex.EncodeToString(sum[:]); got != builtinDigest {
		t.Errorf("agents.yml has digest %s, want %s", got, builtinDigest)
	}
	if !bytes.Equal(Builtin().Bytes(), BuiltinSource()) {
		t.Error("Bytes of the built-in catalogue are not its source")
	}
}

func TestCatalogueIsRestoredFromItsBytes(t *testing.T) {
	extra := []Agent{
		{Name: "acme-fixer", Kind: KindAgent, IDs: []int64{123456}, Vendor: "Acme <&> \u2028 Söhne", Provider: "Anthropic"},
		{Name: "acme-ci", Kind: KindAutomation, Logins: []string{"acme-ci[bot]"}, Branches: []string{"acme/{digits:4}-*"}},
	}
	want := Builtin().With(extra)
	got, err := ParseCatalogue(want.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want.Bytes()) || !reflect.DeepEqual(got, want) {
		t.Error("the restored catalogue differs")
	}
	if two := Builtin().With(extra[:1]).With(extra[1:]); !reflect.DeepEqual(two, want) {
		t.Error("adding one after the other differs from adding both")
	}
	if got.ByID(123456) == nil || got.ByLogin("ACME-CI[bot]") == nil || got.ByID(158243242) == nil {
		t.Error("an agent is not found")
	}
	if Builtin().With(nil) != Builtin() || Builtin().ByID(123456) != nil {
		t.Error("the built-in catalogue was changed")
	}
}

func TestLookups(t *testing.T) {
	c := Builtin()
	for _, test := range []struct {
		what string
		got  *Agent
		want string
	}{
		{"id", c.ByID(198982749), "copilot-cloud-agent"},
		{"unknown id", c.ByID(1), ""},
		{"App", c.ByApp("Devin-AI-Integration"), "devin"},
		{"login", c.ByLogin("devin-ai-integration[bot]"), "devin"},
		{"address", c.ByEmail("NoReply@Anthropic.com"), "claude-code"},
		{"address by its id", c.ByEmail("198982749+renamed@users.noreply.github.com"), "copilot-cloud-agent"},
		{"address with a foreign id", c.ByEmail("12345+Copilot@users.noreply.github.com"), ""},
		{"address of an App without id", c.ByEmail("claude[bot]@users.noreply.github.com"), "claude-github-app"},
		{"address of an App nobody listed", c.ByEmail("5+acme[bot]@users.noreply.github.com"), UnlistedBot},
		{"github-actions' id, another App's login", c.ByEmail("41898282+claude[bot]@users.noreply.github.com"), "claude-github-app"},
		{"github-actions' id and login", c.ByEmail("41898282+github-actions[bot]@users.noreply.github.com"), "github-actions"},
		{"dependabot's login, another id", c.ByEmail("7+dependabot[bot]@users.noreply.github.com"), UnlistedBot},
		{"id too long for a number", c.ByEmail(strings.Repeat("9", 40) + "+x@users.noreply.github.com"), ""},
		{"actor by id, renamed", c.OfActor(Actor{ID: 157164994, Login: "whatever", Type: TypeBot}), "seer"},
		{"person with an agent's login", c.OfActor(Actor{ID: 5, Login: "devin-ai-integration", Type: TypeUser}), ""},
		{"bot nobody listed", c.OfActor(Actor{ID: 5, Login: "acme", Type: TypeBot}), UnlistedBot},
		{"nobody", c.OfActor(Actor{}), ""},
		{"by name", c.Named("devin"), "devin"},
		{"unlisted by name", c.Named(UnlistedBot), UnlistedBot},
	} {
		got := ""
		if test.got != nil {
			got = test.got.Name
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.what, got, test.want)
		}
	}
}

// Each Copilot is an entry of its own: they mean different things.
func TestFiveCopilots(t *testing.T) {
	names := map[string]bool{}
	for _, email := range []string{
		"198982749+Copilot@users.noreply.github.com", "223556219+Copilot@users.noreply.github.com",
		"175728472+Copilot@users.noreply.github.com", "copilot@github.com", "62310815+github-advanced-security[bot]@users.noreply.github.com",
	} {
		names[Builtin().ByEmail(email).Name] = true
	}
	if len(names) != 5 {
		t.Errorf("got %d entries, want 5: %v", len(names), names)
	}
}

func TestCatalogueRefuses(t *testing.T) {
	head := "version: 1\nrevision: 2026-01-01\nagents:\n"
	for _, test := range []struct{ what, src, want string }{
		{"unknown key", head + "- {name: a, kind: ai-agent, ids: [1], colour: red}\n", `line 4: agent: unknown key "colour"`},
		{"unknown key at the top", head + "- {name: a, kind: ai-agent, ids: [1]}\nmore: 1\n", `line 5: unknown key "more"`},
		{"the same id twice", head + "- {name: a, kind: ai-agent, ids: [1]}\n- {name: b, kind: ai-agent, ids: [1]}\n", "line 5: agent b: ids: 1 is given twice (a and b)"},
		{"the same name twice", head + "- {name: a, kind: ai-agent, ids: [1]}\n- {name: a, kind: ai-agent, ids: [2]}\n", "given twice"},
		{"the same address twice", head + "- {name: a, kind: ai-agent, emails: [x@y.zz]}\n- {name: b, kind: ai-agent, emails: [X@y.zz]}\n", "given twice"},
		{"unknown kind", head + "- {name: a, kind: robot, ids: [1]}\n", `unknown kind "robot"`},
		{"nothing to recognise it by", head + "- {name: a, kind: ai-agent}\n", "nothing says how it is recognised"},
		{"text for a number", head + "- {name: a, kind: ai-agent, ids: [one]}\n", "must be a whole number"},
		{"negative id", head + "- {name: a, kind: ai-agent, ids: [-1]}\n", "is no account id"},
		{"a whole domain", head + "- {name: a, kind: ai-agent, emails: [\"*@openai.com\"]}\n", "is not a whole e-mail address"},
		{"a shape of everything", head + "- {name: a, kind: ai-agent, branches: [\"*\"]}\n", "would match too much"},
		{"a class that is none", head + "- {name: a, kind: ai-agent, branches: [\"abc/{words}\"]}\n", "unknown class"},
		{"an open brace", head + "- {name: a, kind: ai-agent, branches: [\"abc/{hex\"]}\n", "{ without }"},
		{"too many stars", head + "- {name: a, kind: ai-agent, branches: [\"a*b*c*d*e\"]}\n", "more than 3 *"},
		{"a trailer without key", head + "- {name: a, kind: ai-agent, trailers: [Cursor]}\n", `must be "Key: value"`},
		{"a session without path", head + "- {name: a, kind: ai-agent, sessions: [example.com]}\n", "without scheme"},
		{"control characters", head + "- {name: a, kind: ai-agent, labels: [\"a\\u0007b\"]}\n", "control characters"},
		{"no version", "agents: []\n", "version must be 1"},
		{"a later version", "version: 2\nrevision: x\nagents: []\n", "version must be 1"},
		{"an alias", head + "- &a {name: a, kind: ai-agent, ids: [1]}\n- *a\n", "must be a mapping"},
		{"no YAML", "version: [", "agent catalogue: "},
		{"a second document of YAML", head + "- {name: a, kind: ai-agent, ids: [1]}\n---\nadditions: []\n", "the organisation's agents"},
		{"additions in another form", head + "- {name: a, kind: ai-agent, ids: [1]}\n---\n{ \"additions\":[{\"name\":\"b\",\"kind\":\"ai-agent\"}]}\n", "not in the form"},
		{"empty additions", head + "- {name: a, kind: ai-agent, ids: [1]}\n---\n{\"additions\":[]}\n", "empty"},
		{"too large", strings.Repeat("#", maxCatalogueBytes+1), "larger than"},
	} {
		_, err := ParseCatalogue([]byte(test.src))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got error %v, want one with %q", test.what, err, test.want)
		}
	}
}

func TestCheckAgents(t *testing.T) {
	for _, test := range []struct {
		what  string
		agent Agent
		want  string // empty: can be added
	}{
		{"a new agent", Agent{Name: "acme", Kind: KindAgent, IDs: []int64{5}}, ""},
		{"automation becomes an agent", Agent{Name: "acme-actions", Kind: KindAgent, IDs: []int64{41898282}, Logins: []string{"github-actions[bot]"}}, ""},
		{"an agent becomes automation", Agent{Name: "acme", Kind: KindAutomation, IDs: []int64{158243242}}, "already devin"},
		{"an agent's login becomes automation", Agent{Name: "acme", Kind: KindAutomation, Logins: []string{"Cursor[bot]"}}, "already cursor-agent"},
		{"a name of the catalogue", Agent{Name: "devin", Kind: KindAgent, IDs: []int64{5}}, "is an agent of the catalogue"},
		{"the name of unlisted bots", Agent{Name: UnlistedBot, Kind: KindAgent, IDs: []int64{5}}, "is an agent of the catalogue"},
		{"platform", Agent{Name: "acme", Kind: KindPlatform, IDs: []int64{5}}, "unknown kind"},
	} {
		got := Builtin().CheckAgents([]Agent{test.agent})
		switch {
		case test.want == "" && len(got) > 0, test.want != "" && len(got) == 0:
			t.Errorf("%s: got %+v, want %q", test.what, got, test.want)
		case test.want != "" && !strings.Contains(got[0].Message, test.want):
			t.Errorf("%s: got %q, want %q", test.what, got[0].Message, test.want)
		}
	}
}

func TestShapes(t *testing.T) {
	for _, test := range []struct {
		shape, text string
		want        bool
	}{
		{"cursor/*-{hex:4}", "cursor/fix-upload-9e1f", true},
		{"cursor/*-{hex:4}", "cursor/fix-9e1f-upload", false},
		{"cursor/*-{hex:4}", "cursor/fix-9e1f0", false},
		{"cursor/*-{hex:4}", "x/cursor/fix-9e1f", false},
		{"devin/{digits:10}-*", "devin/1764000000-fix", true},
		{"devin/{digits:10}-*", "devin/17640000001-fix", false},
		{"devin/{digits:10}-*", "devin/176400000-fix", false},
		{"*-{digits:18-20}", "fix-upload-123456789012345678", true},
		{"*-{digits:18-20}", "fix-upload-12345678901234567", false},
		{"*-{digits:18-20}", "fix-upload-123456789012345678901", false},
		{"claude/*-{token:5}", "claude/fix-issue-425-1V09t", true},
		{"claude/*-{token:5}", "claude/fix-login", false},
		{"gen/{uuid}", "gen/11111111-2222-4333-8444-555555555555", true},
		{"gen/{uuid}", "gen/11111111-2222-4333-8444-55555555555", false},
		{"a*b*c", "aXbXbXc", true},
		{"a*b*c", "aXcXb", false},
		{"* (aider)", "Mira Lund (aider)", true},
		{"* (aider)", "Mira Lund (aider) x", false},
		{"", "", true},
		{"*", "", true},
	} {
		s, _, err := parseShape(test.shape, false)
		if err != nil {
			t.Fatalf("%s: %v", test.shape, err)
		}
		if got := s.matches(test.text); got != test.want {
			t.Errorf("%q on %q: got %v, want %v", test.shape, test.text, got, test.want)
		}
	}
}

// A shape of the worst kind on a text of the worst kind takes no more steps than the
// product of their lengths.
func BenchmarkWorstShape(b *testing.B) {
	s, _, err := parseShape("a*{hex:30}b*{hex:30}c*{hex:30}d", true)
	if err != nil {
		b.Fatal(err)
	}
	text := strings.Repeat("a", maxLookupBytes)
	for b.Loop() {
		s.matches(text)
	}
}

func FuzzParseCatalogue(f *testing.F) {
	f.Add([]byte("version: 1\nrevision: 2026-01-01\nagents:\n- {name: a, kind: ai-agent, ids: [1]}\n"))
	f.Add(Builtin().With([]Agent{{Name: "acme", Kind: KindAgent, IDs: []int64{5}}}).Bytes())
	f.Add([]byte("version: 1\nagents: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := ParseCatalogue(src)
		if err != nil {
			return
		}
		again, err := ParseCatalogue(c.Bytes())
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("the catalogue is not restored from its bytes: %v", err)
		}
		Classify(c, Traces{HeadRef: string(src), Body: string(src)})
	})
}

func FuzzShape(f *testing.F) {
	f.Add("cursor/*-{hex:4}", "cursor/a-9e1f")
	f.Add("{digits:18-20}*{uuid}", "1")
	f.Fuzz(func(t *testing.T, src, text string) {
		s, _, err := parseShape(src, false)
		if err != nil {
			return
		}
		if n, ok := s.prefix(text); ok && (n < 0 || n > len(text)) {
			t.Fatalf("prefix of %d bytes of %d", n, len(text))
		}
		if s.matches(text) && !strings.ContainsAny(src, "*{") && src != text {
			t.Fatalf("literal %q matches %q", src, text)
		}
	})
}
