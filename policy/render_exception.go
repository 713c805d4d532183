package policy

import (
	"fmt"
	"strings"
	"time"
)

// ExceptionText is what GitHub's readers are told of an exception. Text from GitHub is escaped
// when it is shown.
type ExceptionText struct {
	ID, Kind, Severity, Reason string
	Owner                      string // login; empty: nobody
	Number                     int    // pull request; 0: none
	Ref, SHA                   string // branch and commit; empty: none
	DueAt                      time.Time
	// ByReview is true for what nothing settles but the review that was missing.
	ByReview bool
}

// The marks by which our own issues and comments are found again.
const (
	MarkOpened     = "opened"
	MarkOverdue    = "overdue"
	MarkRemediated = "remediated"
	MarkClosed     = "closed"
)

// Mark is an invisible line that says which event of the exception a text tells of.
func (x ExceptionText) Mark(event string) string {
	return fmt.Sprintf("<!-- countersign exception %s %s -->", x.ID, event)
}

// Issue is the title (plain text) and the body (Markdown) of the exception's issue.
func (x ExceptionText) Issue() (title, body string) {
	title = "Exception " + x.Kind
	if x.Ref != "" {
		title += " on " + x.Ref
	}
	if x.Number > 0 {
		title += fmt.Sprintf(": pull request %d", x.Number)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| | |\n|---|---|\n", escape(x.Reason))
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, value)
		}
	}
	row("Severity", escape(x.Severity))
	if x.Number > 0 {
		row("Pull request", fmt.Sprintf("#%d", x.Number))
	}
	if x.Ref != "" {
		row("Branch", code(x.Ref))
	}
	row("Commit", escape(x.SHA))
	if !x.DueAt.IsZero() {
		row("To be settled by", WhenUTC(x.DueAt))
	}
	row("Owner", escape(x.Owner))
	fmt.Fprintf(&b, "\n**What to do.** %s\n\nThe exception %s stays in the organisation's log, whatever becomes of this issue.\n%s\n", x.settle(), code(x.ID), x.Mark(MarkOpened))
	return plain(title, maxTitle), b.String()
}

// settle says how the exception is settled.
func (x ExceptionText) settle() string {
	if x.ByReview {
		return "Somebody with write access who neither wrote nor requested the change reviews it. That settles the exception and closes this issue; closing it by hand does not."
	}
	return "Settle the matter: repair it, revert it, or have it reviewed by somebody independent. Then say in a comment what was done, and close this issue. " +
		"Whoever closes it needs write access and cannot be the one that it is about."
}

// Overdue is the comment that says that the exception is overdue.
func (x ExceptionText) Overdue() string {
	owner := ""
	if x.Owner != "" {
		owner = " Its owner is " + escape(x.Owner) + "."
	}
	return fmt.Sprintf("**This is overdue**: it was to be settled by %s.%s\n\n%s\n\n%s\n%s\n", WhenUTC(x.DueAt), owner, escape(x.Reason), x.settle(), x.Mark(MarkOverdue))
}

// Settled is the comment that says how the exception was remediated or closed.
func (x ExceptionText) Settled(event, remediation string) string {
	last := "The exception is closed."
	if event == MarkRemediated {
		last = "The cause is gone. Say in a comment what is left to say, and close this issue."
	}
	return fmt.Sprintf("%s %s\n%s\n", escape(remediation), last, x.Mark(event))
}

// MarkNotClosed is the event of an issue that was closed at a time and did not close its exception.
func MarkNotClosed(at time.Time) string { return fmt.Sprint("not closed ", at.Unix()) }

// NotClosed is the comment that says why closing the issue did not close the exception; at is
// when it was closed.
func (x ExceptionText) NotClosed(why string, at time.Time) string {
	return fmt.Sprintf("The exception stays open: %s %s\n%s\n", escape(why), x.settle(), x.Mark(MarkNotClosed(at)))
}
