package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/countersign/countersign/policy"
)

// summary adds up the commits of a clone.
type summary struct {
	commits int64
	lines   int64
	byAgent map[classAgent]*tally
	byMonth map[monthClass]*tally
}

type classAgent struct {
	class  policy.Class
	agents string
}

type monthClass struct {
	month string // 2026-11
	class policy.Class
}

// tally is a number of commits and of changed lines.
type tally struct{ commits, lines int64 }

func (s *summary) add(c policy.Classification, m *commitStat) {
	if s.byAgent == nil {
		s.byAgent, s.byMonth = map[classAgent]*tally{}, map[monthClass]*tally{}
	}
	s.commits++
	s.lines += m.Lines
	addTo(s.byAgent, classAgent{c.Class, strings.Join(c.Agents, " + ")}, m.Lines)
	addTo(s.byMonth, monthClass{m.At.Format("2006-01"), c.Class}, m.Lines)
}

func addTo[K comparable](tallies map[K]*tally, key K, lines int64) {
	t := tallies[key]
	if t == nil {
		t = &tally{}
		tallies[key] = t
	}
	t.commits++
	t.lines += lines
}

// classes in the order in which they are shown, with their headings. The last one is
// worded with care: what leaves no trace may still be an agent's.
var classes = []struct {
	class policy.Class
	name  string
}{
	{policy.ClassAgent, "agent"},
	{policy.ClassAssisted, "assisted"},
	{policy.ClassSuggestion, "suggestion"},
	{policy.ClassAutomation, "automation"},
	{policy.ClassPlatform, "platform"},
	{policy.ClassUndetected, "no agent indicator found"},
}

// write prints the two tables.
func (s *summary) write(out io.Writer) error {
	if s.commits == 0 {
		_, err := fmt.Fprintln(out, "no commits")
		return err
	}
	if err := s.writeAgents(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := s.writeMonths(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "\nLines are added plus deleted; merges and binary files count as none. Months are those of the\n"+
		"committer's date, UTC. \"No agent indicator found\" is not a claim about who wrote a commit:\nattribution can be switched off.")
	return err
}

func (s *summary) writeAgents(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "class\tagent\tcommits\t%\tlines\t%\n")
	row := func(class, agent string, t tally) {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%s\n", class, agent, t.commits, share(t.commits, s.commits), t.lines, share(t.lines, s.lines))
	}
	for _, c := range classes {
		var keys []classAgent
		for key := range s.byAgent {
			if key.class == c.class {
				keys = append(keys, key)
			}
		}
		slices.SortFunc(keys, func(a, b classAgent) int {
			return cmp.Or(cmp.Compare(s.byAgent[b].commits, s.byAgent[a].commits), strings.Compare(a.agents, b.agents))
		})
		for _, key := range keys {
			row(c.name, cmp.Or(key.agents, "-"), *s.byAgent[key])
		}
	}
	row("total", "", tally{s.commits, s.lines})
	return table.Flush()
}

func (s *summary) writeMonths(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "month")
	for _, c := range classes {
		fmt.Fprintf(table, "\t%s", c.name)
	}
	fmt.Fprint(table, "\t(commits/lines)\n")
	months := map[string]bool{}
	for key := range s.byMonth {
		months[key.month] = true
	}
	for _, month := range slices.Sorted(maps.Keys(months)) {
		fmt.Fprint(table, month)
		for _, c := range classes {
			if t := s.byMonth[monthClass{month, c.class}]; t != nil {
				fmt.Fprintf(table, "\t%d/%d", t.commits, t.lines)
			} else {
				fmt.Fprint(table, "\t-")
			}
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// share is a part of a whole in percent.
func share(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", 100*float64(part)/float64(whole))
}
