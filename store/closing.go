package store

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/countersign/countersign/policy"
)

// The kinds of exceptions that nothing settles but the review that was missing.
const (
	ExceptionEmergency = "emergency"
	ExceptionLate      = "sla-breach"
)

// MaxRemediation is how much of what was done is kept, in bytes.
const MaxRemediation = 2000

// Closing is somebody's word that an exception is settled.
type Closing struct {
	// By and ByID are their login and numeric id, as GitHub asserts them.
	By   string
	ByID int64
	// IsPerson is true for an account of GitHub's type User.
	IsPerson bool
	// CanWrite says whether they may write to the exception's repository.
	CanWrite bool
	// Through is what closed it in their name, for example a pull request; empty: they did so
	// themselves.
	Through string
	// Remediation says what was done. It is cut at MaxRemediation.
	Remediation string
}

// ClosedAlready is why a closing is refused of what somebody else closed before.
const ClosedAlready = "it is closed already."

// ByReview says whether the exception is settled by the review that was missing, and by nothing
// else.
func (e Exception) ByReview() bool { return e.Kind == ExceptionEmergency || e.Kind == ExceptionLate }

// Refuses says why a closing does not settle the exception, as the rest of a sentence about it;
// empty: it does.
func (e Exception) Refuses(c Closing) string {
	switch {
	case e.State == ExceptionClosed:
		return ClosedAlready
	case e.ByReview():
		return "it is settled by the review that is missing, and by nothing else."
	case c.ByID == 0 || !c.IsPerson || policy.Builtin().OfActor(policy.Actor{ID: c.ByID, Login: c.By, Type: policy.TypeUser}) != nil:
		return "only a person closes it."
	case e.Kind == ExceptionBlind && e.State == ExceptionOpen && strings.Contains(e.Subject, "/blind since "):
		return "the branch cannot be seen yet: it is remediated when it can."
	case e.Kind == ProtectionDrift && e.State == ExceptionOpen:
		// Who changed the protection is not known, so whoever did could say that it is settled.
		return "the branch is not protected as it was yet, as far as GitHub shows: it is remediated when it is, and closed then."
	case c.Through != "":
		return "it was closed by " + c.Through + ", and only a person closes it."
	case slices.Contains(e.Involved, c.ByID):
		return c.By + " is behind the change that it is about, so somebody else closes it."
	case c.ByID == e.CausedBy:
		return "it is about what " + c.By + " did, so somebody else closes it."
	case !c.CanWrite:
		return c.By + " has no write access to the repository."
	case strings.TrimSpace(c.Remediation) == "":
		return c.By + " did not say what was done about it. On its issue, a comment says that within the hour before it is closed."
	}
	return ""
}

// CloseException closes an exception on somebody's word, or says why not: see Refuses. also sets
// what else is known then; nil: nothing. ErrNotFound if there is no such exception.
func (n Tenant) CloseException(ctx context.Context, id string, c Closing, also func(*Exception)) (refused string, err error) {
	err = n.StepException(ctx, id, func(e *Exception) bool {
		if refused = e.Refuses(c); refused != "" {
			return false
		}
		e.State, e.Step, e.By, e.ByID, e.ClosedAt = ExceptionClosed, "closed", c.By, c.ByID, n.s.now().UTC()
		e.Remediation = cutText(strings.TrimSpace(c.Remediation), MaxRemediation)
		if also != nil {
			also(e)
		}
		return true
	})
	return refused, err
}

// cutText is at most n bytes of a text, whole characters.
func cutText(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
