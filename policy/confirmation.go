package policy

import (
	"cmp"
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// The changes whose approvals must be confirmed.
const (
	ConfirmAgent     = "agent"     // in which an AI agent took part
	ConfirmSensitive = "sensitive" // for which paths or validation.protect ask for more
)

// Confirmation is what somebody who signed in confirmed on the page of a change: that they
// reviewed the commit that the page showed. An agent that holds a person's token can approve in
// their name, and cannot sign in.
type Confirmation struct {
	Seq        int64     `json:"seq"` // receipt sequence
	ReceivedAt time.Time `json:"received_at"`
	DeliveryID string    `json:"delivery_id"`
	By         Actor     `json:"by"`
	// CommitSHA and BaseRef are what the page showed.
	CommitSHA string `json:"commit_sha"`
	BaseRef   string `json:"base_ref"`
	// HeadSHA is the newest head that deliveries had told of by then.
	HeadSHA string `json:"head_sha"`
}

// confirmAsked says why the approvals of this change must be confirmed; empty: they need not.
// What is not known asks for it.
func (j *judgement) confirmAsked() string {
	for _, where := range j.p.Review.Confirm {
		why := "the policy asks for it in a way that is not known"
		switch where {
		case ConfirmAgent:
			why = j.agentTookPart()
		case ConfirmSensitive:
			why = j.sensitive()
		}
		if why != "" {
			return why
		}
	}
	return ""
}

// agentTookPart says that an agent took part in the change, or may have; empty: nothing
// indicates that.
func (j *judgement) agentTookPart() string {
	switch {
	case j.who.Class == ClassAgent:
		return "an AI agent wrote this"
	case j.who.Class == ClassAssisted:
		return "an AI agent took part in this"
	case !j.f.Commits.Complete:
		return "not all commits could be read, and an AI agent may have written some"
	}
	return ""
}

// sensitive says why the policy asks for more than usual; empty: it does not.
func (j *judgement) sensitive() string {
	if needs := j.pathNeeds(); len(needs) > 0 {
		if needs[0].unknown != "" {
			return "which files are changed is not known"
		}
		return cmp.Or(needs[0].because, "the paths of the policy ask for more")
	}
	touched, ok := j.protectedFiles()
	switch {
	case !ok || !j.f.Files.Complete:
		return "which files are changed is not known"
	case len(touched) > 0:
		return shorten(touched[0], 150) + " guards the branch"
	}
	return ""
}

// confirmed says whether an account confirmed the head, or an earlier head with the same change,
// and when, or why not; it also is where nobody must.
func (j *judgement) confirmed(who Actor) (is bool, at time.Time, why string) {
	if j.confirm == "" {
		return true, time.Time{}, ""
	}
	why = "has not confirmed it on the page of the change"
	for _, c := range j.f.Confirmations {
		if who.ID == 0 || c.By.ID != who.ID || c.By.Type != TypeUser || c.ReceivedAt.After(j.f.EvaluatedAt) {
			continue
		}
		covers, whyNot := j.forHead(c.CommitSHA, c.HeadSHA)
		if c.BaseRef != j.f.Change.BaseRef {
			covers, whyNot = false, "was for the changes against another branch, "+shorten(c.BaseRef, 100)
		}
		switch {
		case covers && c.ReceivedAt.After(at):
			is, at = true, c.ReceivedAt
		case !covers:
			why = "what they confirmed " + whyNot
		}
	}
	return is, at, why
}

// unconfirmed are the people whose approvals lack nothing but to be confirmed.
func (j *judgement) unconfirmed() (names []string) {
	for _, r := range j.reviews {
		if r.unconfirmed() {
			names = append(names, orSomebody(r.review.Actor.Login))
		}
	}
	return names
}

// confirmTitle asks for what is missing when approvals lack nothing but to be confirmed.
func confirmTitle(names []string) string {
	return fmt.Sprintf("Needs %s to sign in and confirm the approved commit (Details)", shorten(listed(names, 2), 80))
}

// whereToConfirm reads review.confirm.
func (r *policyReader) whereToConfirm(n *yaml.Node) []string {
	const path, hint = "review.confirm", "write confirm: [agent], confirm: [sensitive], or both; left out, nothing is confirmed"
	if n != nil && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		r.say(n, path, "is empty", hint)
	}
	return r.someOf(n, path, hint, ConfirmAgent, ConfirmSensitive)
}
