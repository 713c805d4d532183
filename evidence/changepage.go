package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// changePage is everything that is shown of one change.
type changePage struct {
	Log       signedLog
	Title     string
	Ground    []fact // what reached the branch
	Tone      string // of the outcome: good, open or bad
	Outcome   string // in whole sentences
	Found     []policy.Finding
	Decisions []shownDecision
	Followed  []shownException
	Proofs    []inclusion
	Undecided bool
	Earlier   bool // it came before the branch was enrolled
}

// fact is one line of a list of facts.
type fact struct {
	Name, Value    string
	Code           bool
	Link, LinkText string
}

// changePages are the pages of the changes that have one.
func (f *findings) changePages() (out []document) {
	for i := range f.changes {
		if c := f.changes[i]; f.shown(c) {
			out = append(out, document{name: c.pageName(), make: func() ([]byte, error) {
				p, err := f.changePage(c)
				if err != nil {
					return nil, err
				}
				return page("change.html", p)
			}})
		}
	}
	return out
}

// slug is what files about the change are called.
func (c change) slug() string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, strings.TrimLeft(c.update.repository, "._-/"))
	what := "update"
	if c.number != 0 {
		what = fmt.Sprint(c.number)
	}
	return fmt.Sprintf("%.120s-%s-%d", cmp.Or(name, "repository"), what, c.update.id)
}

func (c change) pageName() string { return "changes/" + c.slug() + ".html" }

// title is what the change is called on pages.
func (c change) title() string {
	if c.number == 0 {
		return fmt.Sprintf("%s: %s to %s", c.update.repository, updateInWords(c.update.kind), c.update.ref)
	}
	return fmt.Sprintf("%s: pull request #%d", c.update.repository, c.number)
}

func updateInWords(kind string) string {
	switch kind {
	case policy.UpdatePush:
		return "direct push"
	case policy.UpdateForcePush:
		return "force push"
	case policy.UpdateMerge:
		return "merge of a pull request"
	case policy.UpdateQueueMerge:
		return "merge by the merge queue"
	case policy.UpdateCreation:
		return "creation of the branch"
	case policy.UpdateDeletion:
		return "deletion of the branch"
	}
	return kind
}

func (f *findings) changePage(c change) (p changePage, err error) {
	p = changePage{Log: f.log, Title: c.title(), Tone: c.tone(), Outcome: c.outcome(), Found: c.found, Ground: f.ground(c), Undecided: c.undecided(), Earlier: c.update.earlier}
	update, err := f.log.prove(c.leaf)
	if err != nil {
		return p, err
	}
	update.Title, update.File, update.RecordDigest = "what reached the branch, and what was found about it", fileRecords, c.update.digest
	if c.update.earlier {
		update.Title = "what reached the branch, as GitHub listed it afterwards"
	}
	for _, leaf := range c.decisions() {
		d, err := f.shownDecision(c, leaf)
		if err != nil {
			return p, err
		}
		p.Decisions, p.Proofs = append(p.Decisions, d), append(p.Proofs, d.proof)
	}
	p.Proofs = append(p.Proofs, update)
	for _, e := range f.exceptions {
		if c.concerns(e) {
			p.Followed = append(p.Followed, showException(e, f.query))
		}
	}
	return p, nil
}

// outcome says what the records say of the change as a whole.
func (c change) outcome() string {
	switch {
	case c.update.earlier:
		return "Not testable: before installation. It reached the branch before that was enrolled, so no decision could let it in. That is no deviation, and nothing says that it was as it should be."
	case c.undecided():
		return "Deviation. The pull request was merged, and no decision about it had been recorded before."
	case c.number == 0 && c.update.moves():
		return "Deviation. The branch was changed without a pull request, so no decision let it in."
	case c.deviates():
		return "Deviation. What reached the branch is not what a decision had let in, or did not get there as it should: see what was found."
	case c.number == 0:
		return "No deviation was found. The branch was made or deleted; no commits were added to it."
	case c.update.mode != policy.ModeEnforce:
		return "No deviation was found. The branch was in audit mode, in which nothing is held: the decision below says what would have been."
	}
	return "No deviation was found. A decision let the change in; it had been recorded before the merge, and what was merged is what had been decided on."
}

// tone is how the outcome is shown. What nothing would have held is no success.
func (c change) tone() string {
	switch {
	case c.deviates():
		return "bad"
	case c.update.mode != policy.ModeEnforce:
		return "open"
	}
	return "good"
}

// ground is what reached the branch, when, and by whom.
func (f *findings) ground(c change) []fact {
	u := c.update
	out := []fact{
		{Name: "Repository", Value: fmt.Sprintf("%s (GitHub's id %d)", u.repository, u.repositoryID)},
		{Name: "Branch", Value: u.ref, Code: true},
		{Name: "How", Value: fmt.Sprintf("%s; GitHub's activity %d", updateInWords(u.kind), u.id)},
		{Name: "When", Value: moment(u.at) + ", by GitHub's clock; recorded " + moment(u.recordedAt)},
		{Name: "By whom", Value: account(policy.Actor{ID: u.actorID, Login: u.actor})},
		{Name: "From commit", Value: u.before, Code: true},
		{Name: "To commit", Value: u.after, Code: true},
	}
	if c.number != 0 {
		out = append(out, fact{Name: "Commit that was merged", Value: c.head, Code: true})
	}
	out = append(out, fact{Name: "How the branch is held", Value: heldInWords(u)}, fact{Name: "How it was protected", Value: f.protectionInWords(c)},
		fact{Name: "How the update was noticed", Value: noticed(u)},
		fact{Name: "Item of the population", Value: c.id(), Code: true})
	for _, d := range f.drawn {
		if d.ID == c.id() {
			out = append(out, fact{Name: "Place in the sample", Value: fmt.Sprintf("%d of %d", d.Place, len(f.drawn))})
		}
	}
	return out
}

func heldInWords(u update) string {
	if u.earlier {
		return "not at all: it was not enrolled yet"
	}
	return modeInWords(u.mode)
}

func modeInWords(m policy.Mode) string {
	switch m {
	case policy.ModeEnforce:
		return "enforced: a change that does not pass is to be held"
	case policy.ModeAudit:
		return "audit only: decisions are recorded, nothing is held"
	}
	return "not known"
}

func noticed(u update) string {
	switch {
	case u.earlier:
		return "it was read from GitHub's list of activity afterwards, because the branch was enrolled later"
	case u.seq > 0:
		return "a delivery by GitHub told of it"
	}
	return "no delivery told of it; GitHub's list of activity showed it"
}

// account is an account with its id, which is what is compared.
func account(a policy.Actor) string {
	if a.ID == 0 && a.Login == "" {
		return "not known"
	}
	s := cmp.Or(a.Login, "(no login)")
	if a.Type == policy.TypeBot {
		s += " [bot]"
	}
	return fmt.Sprintf("%s (id %d)", s, a.ID)
}

// concerns says whether an exception is about the change.
func (c change) concerns(e followed) bool {
	x := e.newest()
	if x.RepoID != c.update.repositoryID {
		return false
	}
	if x.Number != 0 {
		return x.Number == c.number
	}
	return x.SHA != "" && x.SHA == c.update.after
}

// shownException is an exception with its steps.
type shownException struct {
	ID, Kind, Severity, Reason, Owner, StateThen, StateNow string
	Due                                                    time.Time
	Steps                                                  []exception
}

func showException(e followed, q Query) shownException {
	x := e.newest()
	out := shownException{ID: x.ID, Kind: x.Kind, Severity: x.Severity, Reason: x.Reason, Owner: x.Owner, StateNow: x.State, StateThen: "not recorded yet", Due: x.DueAt, Steps: e.steps}
	if then, ok := e.at(q.To); ok {
		out.StateThen = then.State
	}
	return out
}

// At and Leaf are when and where a step of an exception was recorded.
func (e exception) At() time.Time { return e.recordedAt }
func (e exception) Leaf() int64   { return e.leaf }

// shownDecision is a decision as it is shown.
type shownDecision struct {
	policy.Decision
	Heading     string
	Ground      []fact
	Rules       []shownRule
	Wrote       string
	Reviews     []shownReview
	HasReviews  bool // a decision about a merge group says nothing of reviews
	Validations []policy.ValidationResult
	proof       inclusion
}

type shownRule struct {
	policy.RuleResult
	Asks, Holds, Tone string
}

type shownReview struct {
	Who, Said, At, On, Why string
	Counted                bool
}

func (f *findings) shownDecision(c change, leaf int64) (d shownDecision, err error) {
	j, err := f.judged(leaf)
	if err != nil {
		return d, err
	}
	d = shownDecision{Decision: j.decision, Heading: "The decision", Wrote: policy.ClassInWords(j.decision.Authorship), Validations: j.decision.Validations, HasReviews: j.group == nil}
	if leaf == c.update.group {
		d.Heading = "The decision about the merge group"
	}
	if d.proof, err = f.log.prove(leaf); err != nil {
		return d, err
	}
	d.proof.Title, d.proof.File, d.proof.RecordDigest = strings.ToLower(d.Heading[:1])+d.Heading[1:], fileDecisions, j.digest
	d.Ground = append(j.ground(c), j.sources()...)
	for _, r := range j.decision.Rules {
		holds, tone := holdsInWords(r)
		d.Rules = append(d.Rules, shownRule{r, policy.RuleInWords(r.Rule), holds, tone})
	}
	d.Reviews = j.reviews()
	return d, nil
}

// ground says what was decided, when, and by what.
func (j judged) ground(c change) []fact {
	out := []fact{{Name: "Verdict", Value: verdictInWords(j.decision.Verdict)}, {Name: "In one line", Value: j.decision.Title}}
	if j.decision.Cause != "" {
		out = append(out, fact{Name: "Why", Value: j.decision.Cause})
	}
	if j.facts != nil {
		out = append(out, fact{Name: "Title of the pull request", Value: j.facts.Change.Title}, fact{Name: "Opened by", Value: account(j.facts.Change.Author)},
			fact{Name: "Judged as it was at", Value: moment(j.facts.EvaluatedAt)})
	}
	if j.group != nil {
		out = append(out, fact{Name: "Judged as it was at", Value: moment(j.group.EvaluatedAt)})
	}
	if j.leaf == c.decision {
		out = append(out, fact{Name: "Recorded", Value: fmt.Sprintf("%s, before the merge, as record %s", moment(c.decidedAt), c.record)})
	}
	out = append(out, fact{Name: "Commit that was judged", Value: j.decision.HeadSHA, Code: true}, fact{Name: "By the rules of branch", Value: j.decision.GoverningRef, Code: true},
		fact{Name: "Judged by", Value: j.decision.Engine})
	if e := j.decision.Emergency; e != nil {
		out = append(out, fact{Name: "Emergency", Value: fmt.Sprintf("Declared by %s at %s (%s: %s). A review by somebody independent is due by %s.", account(e.By), moment(e.DeclaredAt), e.Ticket, e.Reason, moment(e.ReviewBy))})
	}
	return out
}

// sources are the exact bytes that the decision rests on, as files of the bundle.
func (j judged) sources() (out []fact) {
	for _, s := range []struct{ name, what, digest string }{
		{"The decision itself", "JSON", j.body.DecisionSHA256},
		{"Facts that it was made from", "JSON, as GitHub told them", j.body.FactsSHA256},
		{"Policy that it was made by", "as it was read from the repositories", j.body.PolicySHA256},
		{"Catalogue of agents", "YAML", j.body.CatalogueSHA256},
	} {
		if s.digest != "" {
			out = append(out, fact{Name: s.name, Value: s.what + ":", Link: "../" + blobs + s.digest, LinkText: s.digest})
		}
	}
	return out
}

func verdictInWords(v policy.Verdict) string {
	switch v {
	case policy.VerdictPass:
		return "pass: everything that was asked held"
	case policy.VerdictWaiting:
		return "waiting: something that was asked had not happened yet"
	case policy.VerdictFail:
		return "fail: something that was asked did not hold"
	case policy.VerdictUndecided:
		return "undecided: something could not be read, and what is not known does not pass"
	case policy.VerdictRepair:
		return "repair: the policy could not be used"
	}
	return string(v)
}

// holdsInWords says whether a rule held, and in which tone.
func holdsInWords(r policy.RuleResult) (holds, tone string) {
	switch {
	case r.Outcome == policy.OutcomePass:
		return "held", "good"
	case r.Outcome == policy.OutcomeFail && r.Unknown:
		return "not known", "bad"
	case r.Outcome == policy.OutcomeFail:
		return "did not hold", "bad"
	case r.Outcome == policy.OutcomePending:
		return "not yet", "open"
	case r.Outcome == policy.OutcomeExempt:
		return "exempt", "open"
	case r.Outcome == policy.OutcomeNotApplicable:
		return "does not apply", "soft"
	}
	return "not known", "bad"
}

// reviews are the reviews, those that counted first, with when and on what they were given.
func (j judged) reviews() (out []shownReview) {
	given := map[int64]policy.Review{}
	if j.facts != nil {
		for _, r := range j.facts.Reviews.Items {
			given[r.ID] = r
		}
	}
	for _, r := range j.decision.Reviews {
		seen := given[r.ID]
		on := seen.CommitSHA
		if seen.Received != nil {
			on = seen.Received.HeadSHA
		}
		out = append(out, shownReview{Who: account(r.Actor), Said: words(r.State), At: moment(seen.SubmittedAt), On: on, Why: r.Why, Counted: r.Counted})
	}
	slices.SortStableFunc(out, func(a, b shownReview) int {
		switch {
		case a.Counted == b.Counted:
			return 0
		case a.Counted:
			return -1
		}
		return 1
	})
	return out
}
