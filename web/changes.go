package web

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// perPage is how many rows a list shows at a time.
const perPage = 50

// changesPage is the list of changes, newest decision first.
type changesPage struct {
	Base    string
	Filter  changeFilter
	Classes []policy.Class
	// Verdicts and Rules are what can be chosen.
	Verdicts []policy.Verdict
	Rules    []string
	Rows     []store.ListedChange
	Older    string // address of the next page; empty: this is the last
	Newest   string // address of the first page; empty: this is it
}

// changeFilter is what the form asks for, as it was written.
type changeFilter struct {
	Repository, Number, From, To, Class, Agent, Verdict, Rule, Approver, Author, Exception string
}

// Any says whether anything is asked for.
func (f changeFilter) Any() bool { return f != changeFilter{} }

// changes lists the changes that the visitor sees.
func (s *Site) changes(v *visit) (shown, error) {
	q := v.URL.Query()
	p := changesPage{
		Base: v.base(), Classes: []policy.Class{policy.ClassAgent, policy.ClassAssisted, policy.ClassSuggestion, policy.ClassAutomation, policy.ClassPlatform, policy.ClassUndetected},
		Verdicts: []policy.Verdict{policy.VerdictPass, policy.VerdictWaiting, policy.VerdictFail, policy.VerdictRepair, policy.VerdictUndecided},
		Rules: []string{policy.RuleHumanReview, policy.RuleFreshReview, policy.RuleBranchProtection, policy.RulePolicyIntegrity, policy.RuleAuthorised,
			policy.RuleValidated, policy.RuleIndependentValidation, policy.RuleTimely, policy.RuleAgentIdentity},
		Filter: changeFilter{Repository: q.Get("repository"), Number: q.Get("number"), From: q.Get("from"), To: q.Get("to"), Class: q.Get("class"), Agent: q.Get("agent"),
			Verdict: q.Get("verdict"), Rule: q.Get("rule"), Approver: q.Get("approver"), Author: q.Get("author"), Exception: q.Get("exception")},
	}
	filter, nothing, err := s.changeFilter(v, p.Filter)
	if err != nil {
		return shown{}, err
	}
	filter.After, _ = strconv.ParseInt(q.Get("after"), 10, 64) // anything else is the first page
	if !nothing {
		if p.Rows, err = v.view.Changes(v.Context(), filter); err != nil {
			return shown{}, err
		}
	}
	if len(p.Rows) == filter.Limit {
		p.Rows = p.Rows[:perPage]
		p.Older = withParam(v.URL, "after", strconv.FormatInt(p.Rows[perPage-1].LeafIndex, 10))
	}
	if filter.After > 0 {
		p.Newest = withParam(v.URL, "after", "")
	}
	return shown{"Changes", p}, nil
}

// changeFilter is what the store is asked for. nothing is true when it can be told without asking
// that there is none.
func (s *Site) changeFilter(v *visit, f changeFilter) (out store.ChangeFilter, nothing bool, err error) {
	out.Limit = perPage + 1
	marks := map[string]string{store.MarkAgent: f.Agent, store.MarkRule: f.Rule, store.MarkApprover: strings.ToLower(f.Approver), store.MarkAuthor: strings.ToLower(f.Author),
		store.MarkException: f.Exception, store.MarkVerdict: f.Verdict, store.MarkClass: f.Class}
	// What is rare comes first: the list is walked along it.
	for _, kind := range []string{store.MarkException, store.MarkApprover, store.MarkAuthor, store.MarkAgent, store.MarkRule, store.MarkVerdict, store.MarkClass} {
		if value := strings.TrimSpace(marks[kind]); value != "" {
			out.Marks = append(out.Marks, kind+value)
		}
	}
	if len(out.Marks) > store.MaxMarks {
		return out, false, refusal("At most four of agent, rule, approver, author, exception, verdict and class can be asked for at a time.")
	}
	if out.From, err = dayOf(f.From); err != nil {
		return out, false, err
	}
	if out.Before, err = dayOf(f.To); err != nil {
		return out, false, err
	}
	if !out.Before.IsZero() {
		out.Before = out.Before.AddDate(0, 0, 1) // the day is part of it
	}
	if number := strings.TrimPrefix(strings.TrimSpace(f.Number), "#"); number != "" {
		if out.Number, err = strconv.Atoi(number); err != nil || out.Number <= 0 {
			return out, false, refusal("The number of a pull request is a whole number, like 42.")
		}
	}
	if name := strings.TrimSpace(f.Repository); name != "" {
		out.RepoID, err = v.view.RepositoryID(v.Context(), name)
		nothing = err == nil && out.RepoID == 0
	}
	return out, nothing, err
}

// dayOf reads a day; the zero time for none.
func dayOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 2000 || t.Year() > 9999 {
		return t, refusal("A day is written like 2026-11-26.")
	}
	return t, nil
}

// withParam is the address of this page with other parameters: names, each with its value; an empty
// one is taken out.
func withParam(u *url.URL, pairs ...string) string {
	q := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	maps.DeleteFunc(q, func(name string, _ []string) bool { return q.Get(name) == "" })
	if len(q) == 0 {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + q.Encode()
}
