package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// RuleAuthorised says, where the policy asks for it: somebody asked for the change before it
// was begun.
//
// What counts is an issue that the pull request closes, that neither an agent nor an
// automation opened, and that GitHub had before the pull request and before the first push
// that we received; or a ticket of the shape that the policy gives, in the title, the body or
// the name of the head branch. When a ticket was made only the tracker knows: the rule says so.
const (
	RuleAuthorised     = "authorised"
	revisionAuthorised = 1
)

const (
	maxPattern     = 200 // bytes of authorisation.pattern
	maxTickets     = 10  // that are kept of one pull request
	maxTicketBytes = 100 // of one ticket; longer ones are none
)

func (j *judgement) authorised() (ruling, bool) {
	want := j.p.Authorisation
	if want == nil {
		return ruling{}, false
	}
	r := RuleResult{
		Rule: RuleAuthorised, Revision: revisionAuthorised, Control: "CC8.1",
		Facts: []string{"issues", "change.tickets", "change.created_at", "pushes"},
	}
	issue, why := j.authorisingIssue()
	switch {
	case issue != nil:
		r.Outcome = OutcomePass
		r.Reason = fmt.Sprintf("%s#%d, opened by %s, asked for it before it was begun.", issue.Repository, issue.Number, orSomebody(issue.Author.Login))
	case len(j.f.Change.Tickets) > 0 && want.Pattern != "":
		r.Outcome = OutcomePass
		r.Reason = fmt.Sprintf("It names %s. When that was made is not known here: the tracker tells.", listed(j.f.Change.Tickets, 3))
	case j.f.Issues == nil || !j.f.Issues.Complete:
		if !want.Required {
			r.Outcome, r.Reason = OutcomeNotApplicable, "Not required. Which issues it closes could not all be read."
			return ruling{RuleResult: r}, true
		}
		return undecidable(r, []string{"Which issues the pull request closes could not all be read."}, "who asked for this change could not be read"), true
	case !want.Required:
		r.Outcome, r.Reason = OutcomeNotApplicable, "Not required. "+why
	default:
		r.Outcome, r.Reason = OutcomeFail, why
		r.Remedy = "Link an issue that was there before the work began" + orTicket(want) + "."
		return ruling{RuleResult: r, title: "Needs an issue" + orTicket(want) + " that asked for it beforehand"}, true
	}
	return ruling{RuleResult: r}, true
}

func orTicket(want *Authorisation) string {
	if want.Pattern == "" {
		return ""
	}
	return " or a ticket"
}

// authorisingIssue is the first issue by number that counts, or why none does.
func (j *judgement) authorisingIssue() (*Issue, string) {
	if j.f.Issues == nil || len(j.f.Issues.Items) == 0 {
		return nil, "Nothing says that anybody asked for this change beforehand."
	}
	begun := j.f.Change.CreatedAt
	for _, p := range j.f.Pushes {
		if !p.ReceivedAt.IsZero() && (begun.IsZero() || p.ReceivedAt.Before(begun)) {
			begun = p.ReceivedAt
		}
	}
	issues := slices.Clone(j.f.Issues.Items)
	slices.SortFunc(issues, func(a, b Issue) int {
		if c := strings.Compare(a.Repository, b.Repository); c != 0 {
			return c
		}
		return a.Number - b.Number
	})
	var not []string
	for i := range issues {
		issue := &issues[i]
		name := fmt.Sprintf("%s#%d", issue.Repository, issue.Number)
		switch {
		case !isPerson(&reader{Catalogue: j.cat}, issue.Author):
			not = append(not, name+" (opened by "+orSomebody(issue.Author.Login)+", not by a person)")
		case issue.CreatedAt.IsZero() || begun.IsZero() || issue.CreatedAt.After(begun) || j.numberedAfter(issue):
			not = append(not, name+" (opened when the work had begun)")
		default:
			return issue, ""
		}
	}
	return nil, "No issue that it closes counts: " + listed(not, 5) + "."
}

// numberedAfter reports whether GitHub numbered an issue of the repository after the pull
// request: times have whole seconds, numbers do not.
func (j *judgement) numberedAfter(issue *Issue) bool {
	return strings.EqualFold(issue.Repository, j.f.Repository.Name) && issue.Number >= j.f.Change.Number
}

// TicketsIn returns what looks like a ticket in the texts, sorted, each once, at most 10. It
// is nil when the policy gives no shape of tickets.
func (p *Policy) TicketsIn(texts ...string) []string {
	if p.Authorisation == nil || p.Authorisation.tickets == nil {
		return nil
	}
	var out []string
	for _, text := range texts {
		for _, ticket := range p.Authorisation.tickets.FindAllString(text, 100) {
			if ticket != "" && len(ticket) <= maxTicketBytes {
				out = append(out, strings.ToValidUTF8(ticket, ""))
			}
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxTickets)]
}

func (r *policyReader) authorisation(n *yaml.Node) *Authorisation {
	if n == nil {
		return nil
	}
	m := r.mapping(n, "authorisation", "pattern", "required")
	out := &Authorisation{Pattern: r.text(m["pattern"], "authorisation.pattern"), Required: r.flag(m["required"], "authorisation.required")}
	if out.Pattern == "" {
		return out
	}
	compiled, err := regexp.Compile(out.Pattern)
	switch {
	case len(out.Pattern) > maxPattern:
		r.say(m["pattern"], "authorisation.pattern", fmt.Sprintf("has more than %d bytes", maxPattern), "write a shorter one")
	case err != nil:
		r.say(m["pattern"], "authorisation.pattern", "is not a regular expression: "+shorten(err.Error(), 200), "the syntax is RE2, for example [A-Z]+-[0-9]+")
	case compiled.MatchString(""):
		r.say(m["pattern"], "authorisation.pattern", "fits an empty text", "every change would count as asked for: write what a ticket looks like")
	default:
		out.tickets = compiled
	}
	return out
}
