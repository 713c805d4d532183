package web

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// Tracker is where tickets of an organisation are, by the keys of its projects: with SHOP, SHOP-12
// is one.
type Tracker struct {
	Name     string // "Jira"
	Projects []string
	URL      string // behind which the ticket is put
}

// ticketLine is an issue or a ticket of a change as its page shows it. It is text that whoever wrote
// the change chose, but for the issues: what counts is in the rules.
type ticketLine struct {
	Name  string
	Link  string // empty: it is in no tracker that the settings name
	Where string // it was found
}

// mostTickets is how many a page shows.
const mostTickets = 30

// ticketsOf are the issues that a change closes, as GitHub says, and the tickets that it names.
// Nothing, if its facts were disposed of.
func ticketsOf(row store.Decided, d policy.Decision, trackers []Tracker, gitHub string) ([]ticketLine, error) {
	if len(row.Facts) == 0 {
		return nil, nil
	}
	var f policy.Facts
	if err := json.Unmarshal(row.Facts, &f); err != nil {
		return nil, fmt.Errorf("web: the facts of leaf %d: %w", row.LeafIndex, err)
	}
	var t tickets
	if f.Issues != nil {
		for _, i := range f.Issues.Items {
			name := fmt.Sprintf("%s #%d", i.Repository, i.Number)
			t.add(ticketLine{name, fmt.Sprintf("%s/%s/issues/%d", gitHub, i.Repository, i.Number), "an issue that it closes"})
		}
	}
	patterns := patternsOf(trackers)
	t.find(patterns, f.Change.Title, "in the title")
	t.find(patterns, f.Change.HeadRef, "in the name of its branch")
	for _, one := range f.Change.Tickets {
		t.named(patterns, one, "by the policy's pattern")
	}
	if d.Emergency != nil {
		t.named(patterns, d.Emergency.Ticket, "in the declaration of the emergency")
	}
	return t.lines[:min(len(t.lines), mostTickets)], nil
}

// pattern finds the tickets of a tracker in a text.
type pattern struct {
	Tracker
	keys *regexp.Regexp
}

func patternsOf(trackers []Tracker) (out []pattern) {
	for _, t := range trackers {
		var keys []string
		for _, key := range t.Projects {
			keys = append(keys, regexp.QuoteMeta(key))
		}
		// Branches are often written in small letters.
		out = append(out, pattern{t, regexp.MustCompile(`(?i)(?:` + strings.Join(keys, "|") + `)-[1-9][0-9]{0,9}`)})
	}
	return out
}

// in returns the tickets in a text that are no part of a word, each as its tracker writes it. "_"
// parts words: branches are written like that.
func (p pattern) in(text string) (out []string) {
	for _, at := range p.keys.FindAllStringIndex(text, mostTickets) {
		if at[0] > 0 && inWord(text[at[0]-1]) || at[1] < len(text) && inWord(text[at[1]]) {
			continue
		}
		out = append(out, strings.ToUpper(text[at[0]:at[1]]))
	}
	return out
}

func inWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// tickets are what was found, each once.
type tickets struct{ lines []ticketLine }

func (t *tickets) add(l ticketLine) {
	if !slices.ContainsFunc(t.lines, func(have ticketLine) bool { return have.Name == l.Name }) {
		t.lines = append(t.lines, l)
	}
}

// find adds the tickets in a text.
func (t *tickets) find(patterns []pattern, text, where string) {
	for _, p := range patterns {
		for _, key := range p.in(text) {
			t.add(ticketLine{key, p.URL + key, p.Name + ", " + where})
		}
	}
}

// named adds a ticket that is one already, whether or not a tracker has it.
func (t *tickets) named(patterns []pattern, ticket, where string) {
	for _, p := range patterns {
		if keys := p.in(ticket); len(keys) == 1 && strings.EqualFold(keys[0], ticket) {
			t.find(patterns, ticket, where)
			return
		}
	}
	t.add(ticketLine{ticket, "", where})
}
