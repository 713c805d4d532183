package policy

import (
	"slices"
	"strings"
)

// CallsIn returns the agents that a comment calls to work, by their names in the catalogue,
// sorted, each once. An agent is called by an "@" and one of its logins, the slug of its App,
// or a further word of the catalogue, at the beginning of a word. Quotations and code blocks
// call nobody.
func CallsIn(c *Catalogue, comment string) []string {
	var names []string
	eachLine(comment, func(line string, _ bool) {
		for len(line) > 0 {
			_, after, found := strings.Cut(line, "@")
			if !found {
				return
			}
			end := 0
			for end < len(after) && end < 100 && (isAlnum(after[end]) || after[end] == '-' || after[end] == '_') {
				end++
			}
			if a := c.calls[strings.ToLower(after[:end])]; a != nil && a.Kind == KindAgent && !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
			line = after
		}
	})
	slices.Sort(names)
	return names
}
