package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// The limits of a check run's texts. GitHub refuses a summary above maxOutput bytes and
// silently cuts a text there.
const (
	maxOutput      = 65_535
	maxTitle       = 200  // runes
	maxCell        = 1000 // runes of one cell or sentence
	maxListed      = 50   // reviews and validations shown
	maxSignalsSeen = 30   // signals shown
	maxCommand     = 3000 // runes of a command: more than two words of maxWord make, quoted
)

// Proof is what the ledger knows of a decision when its check run is written.
type Proof struct {
	// RecordID is the decision's id in the store, and the check run's external id.
	RecordID       string
	DecisionSHA256 string
	LeafIndex      int64
	// Checkpoint is the newest signed checkpoint that covers the leaf; may be empty.
	Checkpoint string
	// Also are the numbers of the other open pull requests with the same head and
	// check run name.
	Also []int
	// Public is true for a public repository: who may approve is then left out. So it
	// is when the decision does not say that the repository is private or internal.
	Public bool
}

// Output is the text of a check run: the title plain, the others Markdown as GitHub
// shows it. Text that comes from GitHub is escaped, see escape.
type Output struct {
	Title   string
	Summary string
	Text    string
	// Annotations mark lines of changed files; GitHub shows their text as it is.
	Annotations []Annotation
}

// Said is a digest of what a reader would notice: equal digests mean that nothing needs
// to be written. It leaves the text out, which holds the proof and the recorded facts
// behind the summary: they change without anything new to read.
func (o Output) Said() string {
	sum := sha256.Sum256([]byte(o.Title + "\x00" + o.Summary))
	return hex.EncodeToString(sum[:])
}

// Marked is a digest of the annotations, empty when there are none.
func (o Output) Marked() string {
	if len(o.Annotations) == 0 {
		return ""
	}
	h := sha256.New()
	for _, a := range o.Annotations {
		fmt.Fprintf(h, "%q %d %d %s %q\n", a.Path, a.Line, a.Column, a.Level, a.Message)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Render writes the check run of a decision, for a developer who has never heard of
// any audit: what to do next first, then what was looked at.
func Render(d Decision, proof Proof) Output {
	return Output{Title: plain(d.Title, maxTitle), Summary: summary(d, proof), Text: details(d, proof), Annotations: d.Annotations}
}

// page is Markdown that is cut at a line before it gets longer than maxOutput.
type page struct {
	b    strings.Builder
	full bool
}

const cutLine = "\n_Cut here: GitHub takes no more text. The whole decision is in the ledger._\n"

// line adds a line, or marks the page as full.
func (p *page) line(s string) {
	if p.full {
		return
	}
	if p.b.Len()+len(s)+1+len(cutLine) > maxOutput {
		p.full = true
		p.b.WriteString(cutLine)
		return
	}
	p.b.WriteString(s)
	p.b.WriteByte('\n')
}

func (p *page) linef(format string, args ...any) { p.line(fmt.Sprintf(format, args...)) }

// row adds a row of a table; every cell is escaped.
func (p *page) row(cells ...string) {
	for i, c := range cells {
		cells[i] = escape(c)
	}
	p.cells(cells...)
}

// cells adds a row of a table whose cells are Markdown already.
func (p *page) cells(cells ...string) { p.line("| " + strings.Join(cells, " | ") + " |") }

// head begins a table; the cells are ours.
func (p *page) head(cells ...string) {
	p.line("")
	p.line("| " + strings.Join(cells, " | ") + " |")
	p.line("|" + strings.Repeat(" --- |", len(cells)))
}

func summary(d Decision, proof Proof) string {
	p := &page{}
	p.line(lead(d))
	if d.Mode == ModeAudit {
		p.line("")
		p.line("This is a report only (audit mode): it does not stop anybody from merging.")
	}
	if len(d.Members) > 0 {
		p.head("In this merge group", "", "")
		for _, m := range d.Members {
			name := fmt.Sprintf("#%d", m.Number)
			if m.HeadSHA != "" {
				name += " at " + shortSHA(m.HeadSHA)
			}
			p.row(name, memberHolds(m.Verdict), m.Title)
		}
	}
	if len(d.Rules) > 0 && d.Verdict == VerdictRepair {
		p.line("")
		p.line("What is below was judged by the last policy that could be used. It shows what else is missing; nothing is let through by it.")
	}
	policyChange(p, d)
	if len(d.Rules) > 0 {
		p.head("What must hold", "Holds?", "Why, and what to do")
		for _, r := range d.Rules {
			p.cells(escape(RuleInWords(r.Rule)), escape(holds(r)), because(r))
		}
	}
	for _, i := range d.Impostors {
		p.line("")
		p.line("**Not ours:** " + escape(i.sentence()))
	}
	for _, note := range d.EmergencyNotes {
		p.line("")
		p.line("**Emergency:** " + escape(shorten(note, maxCell)))
	}
	if a := d.Authorship; len(d.Rules) > 0 {
		p.line("")
		p.line("**Who wrote it:** " + escape(ClassInWords(a)))
	}
	if !public(d, proof) && d.Approvers != "" && waitsForApproval(d) {
		p.line("")
		p.line("**Who can approve:** " + escape(d.Approvers))
	}
	reviewsSeen(p, d)
	validationsSeen(p, d)
	if len(proof.Also) > 0 {
		p.line("")
		p.linef("The same newest commit is also proposed by %s; this check shows the worst of them.", numbers(proof.Also))
	}
	return p.b.String()
}

// policyChange says what the change would make of the policy.
func policyChange(p *page, d Decision) {
	if len(d.Annotations) > 0 {
		p.line("")
		p.linef("**The policy file of this change** has %s, marked in the file:", count(len(d.Annotations), "remark"))
		p.line("")
		for i, a := range d.Annotations {
			if i == 10 {
				p.linef("- and %d more", len(d.Annotations)-i)
				break
			}
			p.linef("- line %d: %s", a.Line, escape(shorten(a.Message, 300)))
		}
	}
	if len(d.PolicyDiff) == 0 {
		return
	}
	p.line("")
	p.line("**What this change would make of the policy** once it is merged:")
	p.head("What", "Now", "Then", "")
	for i, change := range d.PolicyDiff {
		if i == maxListed {
			p.line("")
			p.linef("And %d more.", len(d.PolicyDiff)-i)
			return
		}
		p.row(change.Path, orNothing(change.Was), orNothing(change.Is), change.Effect)
	}
}

// lead is the first sentence: what to do next.
func lead(d Decision) string {
	switch d.Verdict {
	case VerdictPass:
		if e := d.Emergency; e != nil {
			return "**Released in an emergency, without its review.** " + escape(fmt.Sprintf("%s declared it (%s: %s). The release stands until %s; somebody who did not write or request the change reviews it by %s.",
				orSomebody(e.By.Login), e.Ticket, e.Reason, e.Until.UTC().Format("15:04 UTC"), WhenUTC(e.ReviewBy)))
		}
		return "**Nothing to do.** Everything that is asked of this change holds."
	case VerdictRepair:
		return "**Somebody must repair the policy before this change can be judged.** " + escape(sentence(d.Cause))
	case VerdictUndecided:
		s := "**This change could not be judged.** " + escape(sentence(d.Cause))
		if d.Final {
			return s + " What could not be checked is never let through."
		}
		return s + " Nothing to do: it is tried again."
	}
	next, ok := decisive(d)
	if !ok {
		return "**Next:** " + escape(d.Title) + "."
	}
	s := escape(next.Remedy)
	if s == "" {
		s = escape(next.Reason)
	}
	s += command(next)
	if strings.HasPrefix(d.Title, "Draft: ") {
		return "**This is a draft, and drafts wait.** Before it can be merged: " + s
	}
	return "**Next:** " + s
}

// sentence ends a cause that does not end by itself: more is said after it.
func sentence(cause string) string {
	if cause == "" || strings.HasSuffix(cause, ".") {
		return cause
	}
	return cause + "."
}

// decisive is the rule whose remedy comes first: the one that the title tells.
func decisive(d Decision) (RuleResult, bool) {
	for _, outcome := range []Outcome{OutcomeFail, OutcomePending} {
		var list []ruling
		for _, r := range d.Rules {
			if r.Outcome == outcome {
				list = append(list, ruling{RuleResult: r})
			}
		}
		if len(list) > 0 {
			return first(list).RuleResult, true
		}
	}
	return RuleResult{}, false
}

// RuleInWords says what a rule asks for, without its id; the id of a rule that is not built in.
func RuleInWords(rule string) string {
	switch rule {
	case RuleHumanReview:
		return "People who did not write or request it approved it"
	case RuleFreshReview:
		return "They approved the newest commit"
	case RuleBranchProtection:
		return "The branch cannot be changed in any other way"
	case RulePolicyIntegrity:
		return "Nobody changes alone what changes are held to"
	case RuleValidated:
		return "Tests and checks succeeded on the newest commit"
	case RuleIndependentValidation:
		return "Those tests and checks are out of the author's hands"
	case RuleAgentIdentity:
		return "An AI agent uses an account of its own"
	case RuleAuthorised:
		return "Somebody asked for it before it was begun"
	case RuleTimely:
		return "People look in time at what an AI agent wrote"
	}
	return rule
}

func memberHolds(v Verdict) string {
	switch v {
	case VerdictPass:
		return "✅ yes"
	case VerdictWaiting:
		return "⏳ not yet"
	case VerdictFail:
		return "❌ no"
	}
	return "❓ not known"
}

func holds(r RuleResult) string {
	switch r.Outcome {
	case OutcomePass:
		return "✅ yes"
	case OutcomeFail:
		if r.Unknown {
			return "❓ not known"
		}
		return "❌ no"
	case OutcomePending:
		return "⏳ not yet"
	case OutcomeExempt:
		return "exempt"
	case OutcomeNotApplicable:
		return "does not apply"
	}
	return "❓ not known"
}

// because is the reason, and the remedy where something is to be done, as Markdown.
func because(r RuleResult) string {
	s := r.Reason
	if r.Remedy != "" && (r.Outcome == OutcomeFail || r.Outcome == OutcomePending || r.Outcome == OutcomeExempt) {
		s += " → " + r.Remedy
	}
	return escape(s) + command(r)
}

// command is the command of a rule's remedy as Markdown, whole: one that is cut would do
// something else.
func command(r RuleResult) string {
	if r.Command == "" {
		return ""
	}
	return " The command: " + codeUpTo(r.Command, maxCommand)
}

// ClassInWords says who wrote a change, as the continuation of "Who wrote it:". It may hold text from GitHub.
func ClassInWords(a Authorship) string {
	agents := ""
	if len(a.Agents) > 0 {
		agents = " (" + listed(a.Agents, 5) + ")"
	}
	switch a.Class {
	case ClassAgent:
		return "an AI agent" + agents + "."
	case ClassAssisted:
		return "a person, with the traces of an AI agent" + agents + "."
	case ClassSuggestion:
		return "a person, who accepted suggestions of an AI reviewer" + agents + "."
	case ClassAutomation:
		return "automation" + agents + "."
	case ClassPlatform:
		return "GitHub itself" + agents + "."
	case ClassUndetected:
		return "no agent indicator found."
	}
	return "not known."
}

// public reports whether who may approve must stay untold.
func public(d Decision, proof Proof) bool {
	return proof.Public || d.Visibility != "private" && d.Visibility != "internal"
}

// waitsForApproval reports whether an approval is among what is missing.
func waitsForApproval(d Decision) bool {
	for _, r := range d.Rules {
		switch r.Rule {
		case RuleHumanReview, RuleFreshReview, RulePolicyIntegrity, RuleIndependentValidation:
			if r.Outcome == OutcomePending {
				return true
			}
		}
	}
	return false
}

// reviewsSeen lists the reviews, those that do not count first of all.
func reviewsSeen(p *page, d Decision) {
	var rest []ReviewResult
	counted := 0
	for _, r := range d.Reviews {
		if r.Counted {
			counted++
			continue
		}
		rest = append(rest, r)
	}
	if len(rest) == 0 {
		return
	}
	p.line("")
	p.linef("**Reviews seen and not counted** (%d counted):", counted)
	p.head("Who", "What", "Why")
	for i, r := range rest {
		if i == maxListed {
			p.line("")
			p.linef("And %d more.", len(rest)-i)
			return
		}
		p.row(who(r.Actor), strings.ReplaceAll(r.State, "_", " "), r.Why)
	}
}

// who shows an account; a bot by its suffix.
func who(a Actor) string {
	login := orSomebody(a.Login)
	if a.Type == TypeBot {
		login += " (bot)"
	}
	return login
}

func validationsSeen(p *page, d Decision) {
	if len(d.Validations) == 0 {
		return
	}
	p.line("")
	p.line("**Tests and checks that were looked for:**")
	p.head("Name", "Result", "Source", "What was found")
	for i, v := range d.Validations {
		if i == maxListed {
			p.line("")
			p.linef("And %d more.", len(d.Validations)-i)
			return
		}
		p.row(v.ID, v.State, v.Source, v.Why)
	}
}

func numbers(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, fmt.Sprintf("#%d", n))
	}
	return listed(out, 20)
}

// details is the part for those who want to know how it was decided.
func details(d Decision, proof Proof) string {
	p := &page{}
	p.line("### How this was decided")
	p.line("")
	p.linef("- Commit %s, base %s, judged by the rules of %s", code(d.HeadSHA), code(d.BaseRef), code(d.GoverningRef))
	p.linef("- Verdict %s, mode %s, engine %s", code(string(d.Verdict)), code(string(d.Mode)), code(d.Engine))
	if proof.DecisionSHA256 != "" {
		p.linef("- Decision %s", code("sha256:"+proof.DecisionSHA256))
	}
	if proof.RecordID != "" {
		p.linef("- Ledger entry %d, record %s", proof.LeafIndex, code(proof.RecordID))
	}
	if len(d.Rules) > 0 {
		p.head("Rule", "Control", "Outcome", "Facts used")
		for _, r := range d.Rules {
			p.row(fmt.Sprintf("%s/%d", r.Rule, r.Revision), r.Control, string(r.Outcome), strings.Join(r.Facts, ", "))
		}
	}
	signalsSeen(p, d.Authorship.Signals)
	if proof.Checkpoint != "" {
		p.line("")
		p.line("Checkpoint of the ledger at the time of writing:")
		p.line("")
		for _, l := range strings.Split(strings.TrimSpace(proof.Checkpoint), "\n") {
			p.line("    " + literal(plain(l, maxCell)))
		}
	}
	return p.b.String()
}

func signalsSeen(p *page, signals []Signal) {
	if len(signals) == 0 {
		return
	}
	p.line("")
	p.line("Traces of agents and automation, strongest first:")
	p.head("Agent", "Trace", "Strength", "Where", "Value")
	for i, s := range signals {
		if i == maxSignalsSeen {
			p.line("")
			p.linef("And %d more.", len(signals)-i)
			return
		}
		p.row(s.Agent, s.Kind, string(s.Strength), s.Where, s.Value)
	}
}
