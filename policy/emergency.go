package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// EmergencyRules say who may release a change before it was reviewed.
type EmergencyRules struct {
	// Team (org/slug) is who may declare an emergency.
	Team string `json:"team" jsonschema:"required" jsonschema_description:"organisation/team whose members may declare an emergency."`
	// Via are the ways of declaring, "session" and "comment". It has no default, so that a policy
	// says itself what opens this door.
	Via []string `json:"via" jsonschema:"required,enum=comment,enum=session,minItems=1" jsonschema_description:"How an emergency may be declared: session, on the change's page by somebody who signed in there; comment, by a comment on the pull request."`
	// Expires is how long a declaration stands.
	Expires Span `json:"expires,omitempty" jsonschema:"type=string" jsonschema_description:"How long a declaration stands, for example 4h. Left out: 4h."`
	// ReviewWithin is how soon after the declaration somebody independent must review.
	ReviewWithin Span `json:"review_within,omitempty" jsonschema:"type=string" jsonschema_description:"How soon after the declaration somebody independent must have reviewed it, for example 24h. Left out: 24h."`
}

// The ways of declaring an emergency.
const (
	ViaComment = "comment"
	ViaSession = "session"
)

const (
	defaultExpires      = Span(4 * time.Hour)
	defaultReviewWithin = Span(24 * time.Hour)
	maxExpires          = Span(24 * time.Hour)
)

// Takes says whether an emergency may be declared in this way.
func (r *EmergencyRules) Takes(via string) bool { return slices.Contains(r.Via, via) }

// EmergencyCommand begins the comment that declares an emergency.
const EmergencyCommand = "/countersign emergency"

// The limits of a declaration's parts: bytes of its ticket and its reason, and words of a reason.
const (
	MaxTicket  = 100
	MaxReason  = 1000
	leastWords = 3
)

// Declaration is one emergency command, as the delivery of its comment said it when it came
// in, or as somebody signed in declared it on the change's page. What becomes of a comment later
// changes nothing.
type Declaration struct {
	Seq        int64     `json:"seq"` // receipt sequence
	ReceivedAt time.Time `json:"received_at"`
	DeliveryID string    `json:"delivery_id"`
	CommentID  int64     `json:"comment_id"` // 0: it is no comment
	By         Actor     `json:"by"`
	// Via is ViaSession; empty: ViaComment.
	Via string `json:"via,omitempty"`
	// ViaApp is true when an App wrote it for the account.
	ViaApp bool `json:"via_app,omitempty"`
	// Head is the commit as the command names it; HeadSHA and BaseRef are the newest head and
	// the base that deliveries had told of by then.
	Head    string `json:"head"`
	HeadSHA string `json:"head_sha"`
	BaseRef string `json:"base_ref"`
	Ticket  string `json:"ticket"`
	Reason  string `json:"reason"`
	// Problem says what is wrong with the command itself; empty: nothing.
	Problem string `json:"problem,omitempty"`
	// Member says whether the account was in the emergency team when the command was first
	// looked at: "yes", "no", or empty when that is not known.
	Member string `json:"member"`
	// Void says what ended it since: a delivery showed another head or another base, also when
	// a later one showed the former again. Empty: nothing did.
	Void string `json:"void,omitempty"`
}

// Key tells the declarations of one pull request apart: the id of the comment, or below 0 the receipt
// sequence of one that is none.
func (d Declaration) Key() int64 {
	if d.Via == ViaSession {
		return -d.Seq
	}
	return d.CommentID
}

// ReadDeclaration reads a comment that begins with the emergency command; ok is false for every
// other one. The command is the whole first line:
//
//	/countersign emergency <commit, 7 to 40 hex digits> <ticket> <reason>
//
// Head, Ticket, Reason and Problem are filled in.
func ReadDeclaration(comment string) (d Declaration, ok bool) {
	line, _, _ := strings.Cut(comment, "\n")
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r"), EmergencyCommand)
	if !ok || rest != "" && rest[0] != ' ' {
		return d, false
	}
	return readCommand(strings.Fields(rest)), true
}

func readCommand(words []string) (d Declaration) {
	const usage = "write " + EmergencyCommand + " COMMIT TICKET REASON, with at least 7 digits of the newest commit and a reason of a few words"
	if len(words) < 2+leastWords {
		d.Problem = usage
		return d
	}
	d.Head, d.Ticket, d.Reason = strings.ToLower(words[0]), words[1], strings.Join(words[2:], " ")
	if len(d.Head) < 7 || len(d.Head) > 40 || strings.Trim(d.Head, "0123456789abcdef") != "" {
		d.Problem = usage
	}
	if len(d.Ticket) > MaxTicket || len(d.Reason) > MaxReason {
		d.Problem = "the ticket or the reason is too long"
	}
	d.Head, d.Ticket, d.Reason = cut(d.Head, 40), cut(d.Ticket, MaxTicket), cut(d.Reason, MaxReason)
	return d
}

// DeclaredInSession is the declaration of somebody who signed in, for the commit head as a page
// showed it. Head, Ticket, Reason, Via and Problem are filled in.
func DeclaredInSession(head, ticket, reason string) Declaration {
	words := append([]string{head}, strings.Fields(ticket)...)
	d := readCommand(append(words, strings.Fields(reason)...))
	d.Via = ViaSession
	switch {
	case len(words) != 2:
		d.Problem = "the ticket is one word, like INC-7"
	case d.Problem != "" && len(d.Ticket) < MaxTicket && len(d.Reason) < MaxReason:
		d.Problem = fmt.Sprintf("the reason has at least %d words", leastWords)
	}
	return d
}

// EmergencyResult is the emergency under which a change is released without its review.
type EmergencyResult struct {
	By         Actor     `json:"by"`
	Ticket     string    `json:"ticket"`
	Reason     string    `json:"reason"`
	DeclaredAt time.Time `json:"declared_at"`
	DeliveryID string    `json:"delivery_id"`
	// Until is when it lapses; ReviewBy until when somebody independent must have reviewed it.
	Until    time.Time `json:"until"`
	ReviewBy time.Time `json:"review_by"`
}

// judgeEmergency finds the newest declaration that stands, and says of the others why not.
func (j *judgement) judgeEmergency() {
	list := slices.Clone(j.f.Declarations)
	slices.SortFunc(list, func(a, b Declaration) int { return cmp.Compare(b.Seq, a.Seq) })
	for i := range list {
		d := &list[i]
		if why := j.notDeclared(d); why != "" {
			what := "emergency command"
			if d.Via == ViaSession {
				what = "emergency declaration"
			}
			j.refused = append(j.refused, fmt.Sprintf("The %s of %s was not accepted: %s.", what, orSomebody(d.By.Login), why))
			continue
		}
		if why := j.ended(d); why != "" {
			j.refused = append(j.refused, fmt.Sprintf("The emergency that %s declared does not stand any more: %s.", orSomebody(d.By.Login), why))
			continue
		}
		if j.emergency == nil {
			rules := j.p.Emergency
			j.emergency = &EmergencyResult{
				By: d.By, Ticket: d.Ticket, Reason: d.Reason, DeclaredAt: d.ReceivedAt, DeliveryID: d.DeliveryID,
				Until: d.ReceivedAt.Add(time.Duration(rules.Expires)), ReviewBy: d.ReceivedAt.Add(time.Duration(rules.ReviewWithin)),
			}
		}
	}
}

// notDeclared says why a declaration is not one that counts; empty: it is.
func (j *judgement) notDeclared(d *Declaration) string {
	rules := j.p.Emergency
	switch {
	case rules == nil:
		return "the policy names no emergency team"
	case !rules.Takes(cmp.Or(d.Via, ViaComment)):
		if d.Via == ViaSession {
			return "the policy takes none from a page (emergency.via)"
		}
		return "the policy takes none by comment (emergency.via)"
	case d.ViaApp || d.By.Type != TypeUser || d.By.ID == 0:
		return "only a person can declare one, under their own account and not through an App"
	case d.Problem != "":
		return d.Problem
	}
	if is, why := j.independent(d.By); is != yes {
		return "whoever declares must not be behind the change, and " + orSomebody(d.By.Login) + " " + why
	}
	switch {
	case d.Member == "no":
		return "not a member of " + rules.Team
	case d.Member != "yes":
		return "whether this is a member of " + rules.Team + " could not be read"
	case d.HeadSHA == "" || !strings.HasPrefix(d.HeadSHA, d.Head) || len(d.Head) < 7:
		return "it names another commit than the newest one then, " + shortSHA(d.HeadSHA)
	case d.Ticket == "" || !j.ticketFits(d.Ticket):
		return "its ticket is not of the shape that the policy gives (authorisation.pattern)"
	case d.ReceivedAt.IsZero() || d.ReceivedAt.After(j.f.EvaluatedAt):
		return "it is from after the evaluation"
	}
	return ""
}

// ended says why a declaration that counted stands no more; empty: it stands.
func (j *judgement) ended(d *Declaration) string {
	rules := j.p.Emergency
	switch {
	case d.HeadSHA != j.f.Change.HeadSHA:
		return "it was for an older commit, " + shortSHA(d.HeadSHA)
	case d.BaseRef != j.f.Change.BaseRef:
		return "it was for the changes against another branch, " + shorten(d.BaseRef, 100)
	case d.Void != "":
		return "it ended when " + shorten(d.Void, 200)
	case rules.Expires <= 0 || !j.f.EvaluatedAt.Before(d.ReceivedAt.Add(time.Duration(rules.Expires))):
		return "it has lapsed, after " + rules.Expires.String()
	}
	return ""
}

// ticketFits reports whether a ticket is one by the policy's own shape, whole.
func (j *judgement) ticketFits(ticket string) bool {
	a := j.p.Authorisation
	if a == nil || a.tickets == nil {
		return true
	}
	return a.tickets.FindString(ticket) == ticket
}

// exempt turns a rule that waits for a review into one that the emergency exempts.
func (j *judgement) exempt(r ruling) ruling {
	e := j.emergency
	if e == nil || r.Outcome != OutcomePending {
		return r
	}
	j.released = true
	j.lookAgain(e.Until)
	r.Outcome, r.title = OutcomeExempt, ""
	r.Reason = fmt.Sprintf("%s declared an emergency (%s: %s), which stands until %s. %s",
		orSomebody(e.By.Login), e.Ticket, e.Reason, e.Until.UTC().Format("15:04 UTC"), r.Reason)
	r.Remedy = "Somebody who did not write or request this reviews it by " + WhenUTC(e.ReviewBy) + "."
	return r
}

// emergencyTitle is the title of a change that an emergency released.
func (e *EmergencyResult) title() string {
	return "Emergency: released without review, which is due by " + WhenUTC(e.ReviewBy)
}

// EmergencyPath says how a change that was released in an emergency gets past GitHub's own
// required approvals, which know of no emergency: the two ways that there are, and which of
// them the policy takes. It is empty when the policy has no emergency.
func (p *Policy) EmergencyPath() string {
	if p.Emergency == nil {
		return ""
	}
	if p.Review.DecidedBy == decidedByCountersign {
		return "This check alone decides about reviews (review.decided_by: countersign), so nothing else holds the change where the branch requires no approvals."
	}
	for _, a := range p.Protection.AllowBypass {
		if a.Type == "Team" && a.Mode == bypassModePullRequest {
			return fmt.Sprintf("GitHub still asks for its own approvals: a member of the break-glass team %d (protection.allow_bypass, mode pull_request) merges.", a.ID)
		}
	}
	return "GitHub still asks for its own approvals, and nobody may bypass them: let this check decide alone (review.decided_by: countersign), or allow a break-glass team under protection.allow_bypass with the mode pull_request."
}

// emergency reads the emergency rules.
func (r *policyReader) emergency(n *yaml.Node) *EmergencyRules {
	if n == nil {
		return nil
	}
	m := r.mapping(n, "emergency", "team", "via", "expires", "review_within")
	if m == nil {
		return nil
	}
	r.required(n, m, "emergency", "team")
	out := &EmergencyRules{
		Expires:      r.span(m["expires"], "emergency.expires", defaultExpires, maxExpires),
		ReviewWithin: r.span(m["review_within"], "emergency.review_within", defaultReviewWithin, maxSpan),
		Via:          r.waysOfDeclaring(n, m["via"]),
	}
	if team := r.text(m["team"], "emergency.team"); team != "" {
		if org, slug, ok := strings.Cut(team, "/"); !ok || org == "" || slug == "" || strings.Contains(slug, "/") {
			r.say(m["team"], "emergency.team", "is not organisation/team", "for example acme/oncall")
		}
		out.Team = team
	}
	return out
}

// waysOfDeclaring reads emergency.via. Without a way that works nobody could declare an
// emergency, and would learn of it in one.
func (r *policyReader) waysOfDeclaring(emergency, via *yaml.Node) []string {
	const path, hint = "emergency.via", "write via: [session], via: [comment], or both"
	switch {
	case via == nil:
		r.say(emergency, path, "is missing: nobody could declare an emergency", hint)
	case via.Kind == yaml.SequenceNode && len(via.Content) == 0:
		r.say(via, path, "is empty: nobody could declare an emergency", hint)
	}
	return r.someOf(via, path, hint, ViaComment, ViaSession)
}

// span reads a span of time.
func (r *policyReader) span(n *yaml.Node, path string, otherwise, most Span) Span {
	if n == nil {
		return otherwise
	}
	var s Span
	text := r.text(n, path)
	if text == "" {
		return otherwise
	}
	if err := s.UnmarshalText([]byte(text)); err != nil || s > most {
		r.say(n, path, "is not a span of time up to "+most.String(), `write a number with m, h or d, for example "4h"`)
		return otherwise
	}
	return s
}
