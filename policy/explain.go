package policy

import (
	"fmt"
	"strings"
)

// Explain writes a decision as plain text for a terminal: what to do, then of every rule what
// was looked at, what came of it and what would satisfy it, then what counted and what did not.
// Text that comes from GitHub is made printable.
func Explain(d Decision) string {
	var b strings.Builder
	say := func(indent int, format string, args ...any) {
		b.WriteString(strings.Repeat(" ", indent) + plain(fmt.Sprintf(format, args...), 4*maxCell) + "\n")
	}
	say(0, "%s#%d at %s, to %s, judged by the policy of %s", d.Repository, d.Number, shortSHA(d.HeadSHA), d.BaseRef, d.GoverningRef)
	say(0, "%s: %s", d.CheckName, d.Verdict)
	say(0, "%s", d.Title)
	if d.Cause != "" {
		say(0, "%s", d.Cause)
	}
	if len(d.Rules) > 0 {
		say(0, "who wrote it: %s", ClassInWords(d.Authorship))
	}
	for _, r := range d.Rules {
		outcome := string(r.Outcome)
		if r.Unknown {
			outcome = "not known"
		}
		b.WriteByte('\n')
		say(0, "%s (%s): %s", r.Rule, r.Control, strings.ReplaceAll(outcome, "_", " "))
		say(2, "%s", r.Reason)
		if r.Remedy != "" && (r.Outcome == OutcomeFail || r.Outcome == OutcomePending) {
			say(2, "to do: %s", r.Remedy)
		}
		if r.Command != "" {
			say(2, "the command: %s", r.Command)
		}
		say(2, "looked at: %s", strings.Join(r.Facts, ", "))
	}
	if d.Approvers != "" {
		b.WriteByte('\n')
		say(0, "who can approve: %s", d.Approvers)
	}
	if len(d.Reviews) > 0 {
		b.WriteString("\nreviews:\n")
	}
	for _, r := range d.Reviews {
		counts := "does not count"
		switch {
		case r.Blocks:
			counts = "blocks"
		case r.Counted:
			counts = "counts"
		}
		say(2, "%s, %s: %s, %s", who(r.Actor), strings.ReplaceAll(r.State, "_", " "), counts, r.Why)
	}
	if len(d.Validations) > 0 {
		b.WriteString("\nvalidations:\n")
	}
	for _, v := range d.Validations {
		say(2, "%s: %s, %s (%s)", v.ID, v.State, v.Why, v.Source)
	}
	if len(d.Annotations) > 0 || len(d.PolicyDiff) > 0 {
		b.WriteString("\nthe policy that the change brings:\n")
	}
	for _, a := range d.Annotations {
		say(2, "line %d: %s", a.Line, a.Message)
	}
	for _, change := range d.PolicyDiff {
		say(2, "%s", change)
	}
	return b.String()
}
