package evidence

import "fmt"

// kindEmergency is the kind of the exceptions of changes that were released without their review.
const kindEmergency = "emergency"

// stepReviewed is the step by which the review that was missing closes an exception.
const stepReviewed = "reviewed"

// emergencyReviewed tests that the review which an emergency put off came in time.
func emergencyReviewed(r onRecord, f *findings) finding {
	e := r.emergency()
	if e == nil {
		return finding{resultNotApplicable, "No emergency is on record that released it.", r.updateLeaf()}
	}
	kept, ok := f.emergencyOf(r.change)
	if !ok {
		return finding{resultUnknown, fmt.Sprintf("%s declared an emergency (%s), and no exception of the period follows it up.", e.By.Login, e.Ticket), fmt.Sprintf("decision of leaf %d", r.basis.leaf)}
	}
	last := kept.newest()
	at := fmt.Sprintf("exception %s, leaf %d", last.ID, last.leaf)
	switch kept.inTime(f) {
	case "yes":
		return finding{resultPass, fmt.Sprintf("%s declared it (%s: %s). %s", e.By.Login, e.Ticket, e.Reason, last.Remediation), at}
	case "no":
		return finding{resultDeviation, fmt.Sprintf("%s declared it (%s: %s), and the review was due by %s. %s", e.By.Login, e.Ticket, e.Reason, moment(last.DueAt), last.settled()), at}
	}
	return finding{resultUnknown, fmt.Sprintf("%s declared it (%s: %s). The review is due by %s, which is after the newest record here.", e.By.Login, e.Ticket, e.Reason, moment(last.DueAt)), at}
}

// settled says what became of an exception.
func (e exception) settled() string {
	if e.ClosedAt.IsZero() {
		return "Nobody has reviewed it."
	}
	return fmt.Sprintf("It was closed at %s: %s", moment(e.ClosedAt), e.Remediation)
}

// emergencyOf is the newest exception of the emergency that released a change.
func (f *findings) emergencyOf(c change) (out followed, ok bool) {
	for _, x := range f.exceptions {
		if e := x.newest(); e.Kind == kindEmergency && e.RepoID == c.update.repositoryID && e.Number == c.number && e.SHA == c.head {
			out, ok = x, true
		}
	}
	return out, ok
}

// inTime says whether what was due was done by then: "yes", "no" or, when it is not due yet,
// "not due yet". Empty: it has no date.
func (x followed) inTime(f *findings) string {
	e := x.newest()
	switch {
	case e.DueAt.IsZero():
		return ""
	case e.State == exceptionClosed && !e.ClosedAt.After(e.DueAt):
		return "yes"
	case e.State == exceptionClosed, !f.asOf.Before(e.DueAt), !e.OverdueAt.IsZero():
		return "no"
	}
	return "not due yet"
}
