package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// policyReader walks a YAML tree and collects problems. Every method takes a node that
// may be nil (the key is absent) and then returns the zero value without a problem.
type policyReader struct {
	problems []Problem
	places   map[string]Place // of keys and list items, by path
	src      []byte           // the file
}

// say records a problem at a node.
func (r *policyReader) say(n *yaml.Node, path, message, hint string) {
	p := Problem{Path: path, Message: message, Hint: hint}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	r.problems = append(r.problems, p)
}

// document reads the one document of src and refuses what the format does not allow.
// It returns nil when there is nothing to walk.
func (r *policyReader) document(src []byte) *yaml.Node {
	r.src = src
	if len(src) > MaxPolicyBytes {
		r.say(nil, "", fmt.Sprintf("the file is larger than %d bytes", MaxPolicyBytes), "")
		return nil
	}
	if i := invalidUTF8(src); i >= 0 {
		line, column := place(src, i)
		r.problems = append(r.problems, Problem{Line: line, Column: column, Message: "the file is not valid UTF-8", Hint: "save it as UTF-8"})
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		r.syntax(src, err)
		return nil
	}
	var doc, second yaml.Node
	if err := loader.Load(&doc); err != nil {
		r.syntax(src, err)
		return nil
	}
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(src, err)
	default:
		r.say(&second, "", "the file holds more than one YAML document", `remove the line "---" and what follows it`)
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.say(&doc, "", "the file is empty", exampleHint)
		return nil
	}
	root := doc.Content[0]
	r.refuse(root, 1)
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		r.say(root, "", "the file is empty", exampleHint)
		return nil
	}
	return root
}

const exampleHint = `the shortest policy is "version: 1", "mode: audit" and "branches: [main]", a line each`

// syntax records what the YAML library could not read.
func (r *policyReader) syntax(src []byte, err error) {
	if errors.Is(err, io.EOF) {
		r.say(nil, "", "the file is empty", exampleHint)
		return
	}
	p := Problem{Message: "is not YAML", Hint: "check indentation, quotes and brackets"}
	var at *yaml.LoadError
	if errors.As(err, &at) {
		p.Message = "the file is not YAML: " + at.Message
		p.Line, p.Column = at.Mark.Line, at.Mark.Column
	}
	if i := bytes.IndexFunc(src, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' }); p.Line == 0 && i >= 0 {
		p.Line, p.Column = place(src, i)
	}
	r.problems = append(r.problems, p)
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, -1 when there is none.
func invalidUTF8(src []byte) int {
	for i := 0; i < len(src); {
		c, n := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// place is the line and column of an offset, both from 1.
func place(src []byte, offset int) (line, column int) {
	before := src[:offset]
	return 1 + bytes.Count(before, []byte("\n")), offset - bytes.LastIndexByte(before, '\n')
}

// refuse records every use of a YAML feature that a policy must not use. Aliases and
// merge keys make a file that reads one way to a person and another to a program.
func (r *policyReader) refuse(n *yaml.Node, depth int) {
	const plain = "write the value out"
	switch {
	case depth > maxPolicyDepth:
		r.say(n, "", fmt.Sprintf("nests deeper than %d levels", maxPolicyDepth), "no part of a policy does")
		return
	case n.Kind == yaml.AliasNode:
		r.say(n, "", fmt.Sprintf("alias *%s is not allowed", n.Value), plain)
		return
	case n.Anchor != "":
		r.say(n, "", fmt.Sprintf("anchor &%s is not allowed", n.Anchor), plain)
	case n.Tag == "!!merge":
		r.say(n, "", "merge key << is not allowed", plain)
	case n.Style&yaml.TaggedStyle != 0:
		r.say(n, "", fmt.Sprintf("tag %s is not allowed", n.Tag), "remove it")
	}
	for _, c := range n.Content {
		r.refuse(c, depth+1)
	}
}

// mapping returns the values of a mapping by key. Unknown and repeated keys are
// problems; of a repeated key the first value is kept. Nil when n is no mapping.
func (r *policyReader) mapping(n *yaml.Node, path string, known ...string) map[string]*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.say(n, path, "must be a mapping, not "+what(n), "keys: "+strings.Join(known, ", "))
		return nil
	}
	out := make(map[string]*yaml.Node, len(known))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Tag != "!!str":
			r.say(key, path, "has a key that is no text", "keys: "+strings.Join(known, ", "))
		case !slices.Contains(known, key.Value):
			r.unknown(key, path, known)
		case out[key.Value] != nil:
			r.say(key, at, fmt.Sprintf("appears again; first on line %d", out[key.Value].Line), "keep one")
		default:
			out[key.Value] = value
			r.places[at] = Place{key.Line, key.Column}
		}
	}
	return out
}

// unknown records a key that is not known here.
func (r *policyReader) unknown(key *yaml.Node, path string, known []string) {
	at := join(path, shorten(key.Value, 60))
	hint := "keys: " + strings.Join(known, ", ")
	if guess := nearest(key.Value, known); guess != "" {
		hint = fmt.Sprintf("did you mean %q?", guess)
	}
	r.say(key, at, "is not a key of a policy", hint)
}

// required records the keys that a mapping must have and has not.
func (r *policyReader) required(n *yaml.Node, m map[string]*yaml.Node, path string, keys ...string) {
	for _, key := range keys {
		if m[key] == nil && !hasKey(n, key) {
			r.say(n, join(path, key), "is missing", "")
		}
	}
}

// sequence returns the items of a list.
func (r *policyReader) sequence(n *yaml.Node, path string) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.say(n, path, "must be a list, not "+what(n), "write [a, b], or one \"- \" line for each")
		return nil
	}
	for i, item := range n.Content {
		r.places[fmt.Sprintf("%s[%d]", path, i)] = Place{item.Line, item.Column}
	}
	return n.Content
}

// text returns a text of one line that is not empty.
func (r *policyReader) text(n *yaml.Node, path string) string {
	if n == nil {
		return ""
	}
	switch {
	case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
		hint := ""
		if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
			hint = fmt.Sprintf("put it in quotes: \"%s\"", shorten(n.Value, 40))
		}
		r.say(n, path, "must be text, not "+what(n), hint)
	case strings.TrimSpace(n.Value) == "":
		r.say(n, path, "is empty", "")
	case n.Value != strings.TrimSpace(n.Value) || strings.ContainsFunc(n.Value, unprintable):
		r.say(n, path, "has space at its ends, a line break or a character that cannot be seen", "")
	case len(n.Value) > 500:
		r.say(n, path, "is longer than 500 characters", "")
	default:
		return n.Value
	}
	return ""
}

// texts returns a list of texts without repetition.
func (r *policyReader) texts(n *yaml.Node, path string) []string {
	var out []string
	for i, item := range r.sequence(n, path) {
		at := fmt.Sprintf("%s[%d]", path, i)
		s := r.text(item, at)
		if s != "" && slices.Contains(out, s) {
			r.say(item, at, fmt.Sprintf("%q appears again", s), "keep one")
		}
		out = append(out, s)
	}
	return out
}

// someOf returns a list of words of which each is one of known; hint says what to write.
func (r *policyReader) someOf(n *yaml.Node, path, hint string, known ...string) []string {
	words := r.texts(n, path)
	for i, word := range words {
		if word != "" && !slices.Contains(known, word) {
			r.say(n.Content[i], path, fmt.Sprintf("knows no %q", shorten(word, 40)), hint)
		}
	}
	return words
}

// globs returns a list of globs.
func (r *policyReader) globs(n *yaml.Node, path string, filled bool) []string {
	out := r.texts(n, path)
	for i, s := range out {
		if err := checkGlob(s); err != nil && s != "" {
			r.say(n.Content[i], fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q %v", s, err), `"*" stays within a path segment, "**" does not, "?" is one character`)
		}
	}
	if filled && n != nil && n.Kind == yaml.SequenceNode && len(out) == 0 {
		r.say(n, path, "is empty", "name at least one, or leave the key out")
	}
	return out
}

// teams returns a list of teams, each org/slug.
func (r *policyReader) teams(n *yaml.Node, path string) []string {
	out := r.texts(n, path)
	for i, s := range out {
		if s != "" && !isOwnerName(s) {
			r.say(n.Content[i], fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("%q is not a team", s), "write organisation/team, for example acme/platform")
		}
	}
	return out
}

// oneOf returns a text that is one of the allowed ones.
func (r *policyReader) oneOf(n *yaml.Node, path string, allowed ...string) string {
	if n == nil {
		return ""
	}
	hint := "allowed: " + strings.Join(allowed, ", ")
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		r.say(n, path, "must be text, not "+what(n), hint)
		return ""
	}
	if slices.Contains(allowed, n.Value) {
		return n.Value
	}
	if guess := nearest(n.Value, allowed); guess != "" {
		hint = fmt.Sprintf("did you mean %q? %s", guess, hint)
	}
	r.say(n, path, fmt.Sprintf("%q is not allowed", shorten(n.Value, 60)), hint)
	return ""
}

// number returns a whole number, nil when absent or wrong.
func (r *policyReader) number(n *yaml.Node, path string, least, most int) *int {
	if n == nil {
		return nil
	}
	hint := fmt.Sprintf("a whole number from %d to %d", least, most)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" {
		r.say(n, path, "must be a number, not "+what(n), hint)
		return nil
	}
	// Decimal digits only: YAML would also read 010 as eight and 0x1f as thirty-one.
	v, err := strconv.Atoi(n.Value)
	if err != nil || strconv.Itoa(v) != n.Value || v < least || v > most {
		r.say(n, path, fmt.Sprintf("%s is not allowed", shorten(n.Value, 40)), hint)
		return nil
	}
	return &v
}

// flag returns true or false.
func (r *policyReader) flag(n *yaml.Node, path string) bool {
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.say(n, path, "must be true or false, not "+what(n), "")
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// id returns a numeric id of GitHub.
func (r *policyReader) id(n *yaml.Node, path string) int64 {
	if n == nil {
		return 0
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v <= 0 || strconv.FormatInt(v, 10) != n.Value {
		r.say(n, path, "must be a numeric id, not "+what(n), "a whole number above 0")
		return 0
	}
	return v
}

// ids returns a list of numeric ids.
func (r *policyReader) ids(n *yaml.Node, path string) []int64 {
	var out []int64
	for i, item := range r.sequence(n, path) {
		out = append(out, r.id(item, fmt.Sprintf("%s[%d]", path, i)))
	}
	return out
}

// what says what a node is, for "must be a list, not …".
func what(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return "empty"
		case "!!bool":
			return "true or false"
		case "!!int", "!!float":
			return "the number " + shorten(n.Value, 40)
		case "!!timestamp":
			return "a date"
		case "!!str":
			return fmt.Sprintf("the text %q", shorten(n.Value, 40))
		}
	}
	return "something else"
}

// hasKey reports whether a mapping has a key.
func hasKey(n *yaml.Node, key string) bool { return child(n, key) != nil }

// child is the value of a key, nil when there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// join joins a path and a key.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shorten cuts a text to at most n runes, with an ellipsis when something was cut.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	runes := 0
	for i := range s {
		if runes == n {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}

// nearest is the known word that a wrong one was probably meant to be, "" when none is
// near: at most two letters apart, and fewer than half of the word.
func nearest(word string, known []string) string {
	best, bestAt := "", 3
	if len(word) > 60 {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), k); d < bestAt && d*2 < len(k) {
			best, bestAt = k, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short words, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
