package policy

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// checkOutput is what must hold of every check run's text, whatever went into it.
func checkOutput(t testing.TB, out Output) {
	t.Helper()
	if strings.ContainsAny(out.Title, "\n\r") || utf8.RuneCountInString(out.Title) > maxTitle+1 {
		t.Errorf("title %q", out.Title)
	}
	for _, text := range []string{out.Title, out.Summary, out.Text} {
		if len(text) > maxOutput || !utf8.ValidString(text) {
			t.Errorf("%d bytes, valid UTF-8 %v", len(text), utf8.ValidString(text))
		}
		for _, r := range text {
			if unprintable(r) && r != '\n' && string(r) != breaker {
				t.Errorf("unprintable %U in %.200q", r, text)
				break
			}
		}
	}
	for _, text := range []string{out.Summary, out.Text} {
		// An @ may stand in a code span, broken apart from what follows.
		if i := strings.IndexAny(strings.ReplaceAll(text, "@"+breaker, ""), "<>@"); i >= 0 {
			t.Errorf("raw %q in %.200q", text[i], text)
		}
		columns := 0
		for line := range strings.Lines(text) {
			switch n := strings.Count(line, "|"); {
			case n == 0:
				columns = 0
			case columns == 0:
				columns = n
			case columns != n:
				t.Errorf("a table of %d bars has a line of %d: %.200q", columns, n, line)
			}
		}
	}
}

// hostile is text that somebody might put into a title, a login, a branch or a name.
var hostile = []string{
	"<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td></table>", "&lt;b&gt;", "a | b | c", "a\n| x | y |\n", "\r\n\r\n# Heading",
	"[click](https://evil.example)", "![image](https://evil.example/x.png)", "https://evil.example", "www.evil.example", "mailto:x@evil.example",
	"@acme/everyone please look", "#1 GH-1 acme/shop#1", "a111111111111111111111111111111111111111", "`code` ```fence```", "**bold** _em_ ~~no~~", "$x^2$ $$y$$",
	"\u202eright to left\u2066", "zero\u200bwidth\ufeff", "\x00\x01\x1b[31mred", "\xff\xfe broken", ":octocat: :+1:", "\\| \\` \\<", "- item\n> quote\n    code", "<!-- comment -->", "| --- | --- |",
	strings.Repeat("long ", 5000), strings.Repeat("\U0001f600", 3000), "\u2028line\u2029paragraph",
}

func TestHostileText(t *testing.T) {
	for _, s := range hostile {
		for name, escaped := range map[string]string{"escape": escape(s), "code": code(s)} {
			if strings.ContainsAny(strings.ReplaceAll(escaped, "@"+breaker, ""), "<>|@\n\r") {
				t.Errorf("%s(%.60q) = %.200q", name, s, escaped)
			}
		}
		if e := escape(s); strings.ContainsAny(e, "`*_[]!~\\$\"'") {
			t.Errorf("escape(%.60q) = %.200q", s, e)
		}
	}
	for in, not := range map[string]string{
		"https://evil.example": "://", "www.evil.example": "www.e", "@acme/everyone": "@a", "#12": "#1", "GH-12": "GH-1", ":octocat:": ":o",
	} {
		seen := strings.NewReplacer("&#64;", "@", "&#35;", "#", "&#58;", ":").Replace(escape(in))
		if strings.Contains(seen, not) {
			t.Errorf("escape(%q) leaves %q together after decoding: %q", in, not, seen)
		}
	}
}

// everywhere puts a text wherever a decision holds text from GitHub.
func everywhere(s string) Decision {
	d := Subject{Repository: s, HeadSHA: s, BaseRef: s, GoverningRef: s, Number: 7}.decision()
	d.Verdict, d.Title, d.Cause, d.Approvers, d.Visibility = VerdictFail, s, s, s, "private"
	d.Authorship = Authorship{Class: ClassAgent, Agents: []string{s}, Signals: []Signal{{Kind: s, Strength: StrengthWeak, Agent: s, Where: s, Value: s}}}
	d.Rules = []RuleResult{
		{Rule: RuleHumanReview, Outcome: OutcomePending, Reason: s, Remedy: s, Facts: []string{s}},
		{Rule: s, Outcome: OutcomeFail, Reason: s, Remedy: s, Command: s},
	}
	d.Reviews = []ReviewResult{{Actor: Actor{Login: s}, State: s, Why: s}}
	d.Validations = []ValidationResult{{ID: s, State: s, Why: s, Source: s}}
	return d
}

func TestRenderHostileText(t *testing.T) {
	for _, s := range hostile {
		for _, v := range []Verdict{VerdictPass, VerdictWaiting, VerdictFail, VerdictUndecided, VerdictRepair} {
			d := everywhere(s)
			d.Verdict = v
			checkOutput(t, Render(d, Proof{RecordID: s, DecisionSHA256: s, Checkpoint: s, Also: []int{8, 9}}))
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range hostile {
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, s string, n uint8) {
		d := everywhere(s)
		for range n {
			d.Reviews = append(d.Reviews, d.Reviews[0])
			d.Validations = append(d.Validations, d.Validations[0])
			d.Rules = append(d.Rules, d.Rules[0])
		}
		checkOutput(t, Render(d, Proof{RecordID: s, DecisionSHA256: s, Checkpoint: s}))
	})
}

func TestRenderIsCutWithTheTableFirst(t *testing.T) {
	d := everywhere(strings.Repeat("😀|", 600))
	for range 200 {
		d.Rules = append(d.Rules, d.Rules[0])
	}
	out := Render(d, Proof{})
	checkOutput(t, out)
	if !strings.Contains(out.Summary, "| What must hold | Holds? |") || !strings.HasSuffix(out.Summary, cutLine) {
		t.Errorf("summary of %d bytes ends %q", len(out.Summary), out.Summary[len(out.Summary)-100:])
	}
}

func TestSaidLeavesTheProofOut(t *testing.T) {
	d := scenarios(t)[0].evaluate()
	a := Render(d, Proof{RecordID: "a", DecisionSHA256: "aa", LeafIndex: 1, Checkpoint: "x"})
	b := Render(d, Proof{RecordID: "b", DecisionSHA256: "bb", LeafIndex: 2, Checkpoint: "y"})
	if a.Text == b.Text || a.Said() != b.Said() {
		t.Error("a new proof says something new to the reader")
	}
	if c := Render(d, Proof{Also: []int{8}}); c.Said() == a.Said() {
		t.Error("another pull request on the same commit says nothing new")
	}
	d.Rules[0].Reason += "!"
	if Render(d, Proof{}).Said() == a.Said() {
		t.Error("another reason says nothing new")
	}
}

func TestWhoCanApproveIsForPrivateRepositories(t *testing.T) {
	for _, s := range scenarios(t) {
		if s.name != "agent-no-review" {
			continue
		}
		d := s.evaluate()
		for _, c := range []struct {
			visibility string
			public     bool
			want       bool
		}{{"private", false, true}, {"internal", false, true}, {"public", false, false}, {"", false, false}, {"private", true, false}} {
			d.Visibility = c.visibility
			if got := strings.Contains(Render(d, Proof{Public: c.public}).Summary, "Who can approve"); got != c.want {
				t.Errorf("visibility %q, public %v: shown %v", c.visibility, c.public, got)
			}
		}
	}
}

// What some cases look like on GitHub.
func TestRenderGolden(t *testing.T) {
	proof := Proof{
		RecordID: "0b3ffb2e-5f0c-4bd7-9e36-3d5f3a3f6a10", DecisionSHA256: strings.Repeat("ab", 32), LeafIndex: 41,
		Checkpoint: "countersign.example/9\n42\nc2FtcGxlIHJvb3QgaGFzaCBvZiAzMiBieXRlcyAhISE=\n\n— countersign.example/9 c2lnbmF0dXJl\n",
	}
	show := map[string]bool{
		"agent-no-review": true, "agent-approved-by-requester": true, "agent-approved-by-independent-human": true, "agent-approved-then-pushed": true,
		"validation-forged": true, "branch-unprotected": true, "workflow-changed": true, "commits-truncated": true, "draft": true, "audit-failing": true, "changes-requested": true,
		"bypass-unreadable-attested": true, "policy-changed-looser": true, "policy-changed-broken": true, "policy-broken-and-tests-failed": true,
	}
	for _, s := range scenarios(t) {
		if !show[s.name] {
			continue
		}
		out := Render(s.evaluate(), proof)
		checkOutput(t, out)
		golden(t, "../testdata/policy/render/"+s.name+".txt", []byte(Explain(s.evaluate())))
		golden(t, "../testdata/policy/render/"+s.name+".md", []byte(out.Title+"\n\n---\n\n"+out.Summary+"\n---\n\n"+out.Text))
	}
	broken := BrokenPolicy(Subject{RepositoryID: 1, Repository: "acme/shop", Number: 7, HeadSHA: "a111111", BaseRef: "main", GoverningRef: "main"}, PolicyLayer{},
		&ParseError{Problems: []Problem{{Line: 2, Column: 7, Path: "mode", Message: `"enforced" is not allowed`, Hint: `did you mean "enforce"?`}}})
	out := Render(broken, proof)
	golden(t, "../testdata/policy/render/broken-policy.md", []byte(out.Title+"\n\n---\n\n"+out.Summary+"\n---\n\n"+out.Text))
}

// What is said after the cause of a decision begins a sentence of its own.
func TestTheCauseIsASentence(t *testing.T) {
	for cause, want := range map[string]string{
		"GitHub did not answer.":     "**This change could not be judged.** GitHub did not answer. What could not be checked is never let through.",
		"the facts are of version 9": "**This change could not be judged.** the facts are of version 9. What could not be checked is never let through.",
	} {
		if out := Render(Undecided(Subject{}, cause, true), Proof{}); !strings.Contains(out.Summary, want) {
			t.Errorf("got %q, want %q", out.Summary, want)
		}
	}
}
