package policy

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// maxGlob is the length of the longest glob, in bytes. It bounds the states of the
// matcher, which makes matching linear in the name.
const maxGlob = 200

// pathGlob is a compiled glob for branches and paths:
//
//   - "*" is any run of characters without "/",
//   - "**" is any run of characters,
//   - "**/" at the start of a segment is any number of whole segments, none included,
//   - "?" is one character other than "/",
//   - everything else is itself.
//
// It always matches the whole name. There are no character classes and no escapes.
//
// The standard library's path.Match has no "**", and backtracking matchers take
// exponential time on patterns that a repository could send us, so this one walks all
// states of a small automaton at once.
type pathGlob struct {
	// literal is the text before the first wildcard: most names fail on it.
	literal string
	// whole is true when there is no wildcard at all.
	whole bool
	// states are those of the automaton; none when it is whole, which needs none to match.
	states []globState
}

// globState is one state of the automaton. The last state accepts.
type globState struct {
	on globClass
	// char is what globChar waits for.
	char rune
	// to is where a matching character leads; next where nothing leads, -1 when nowhere.
	to, next int
	// slash is where "/" leads, for the state inside a segment of "**/"; else -1.
	slash int
}

// globClass says which characters a state takes.
type globClass uint8

const (
	globNone     globClass = iota // none: the accepting state
	globChar                      // exactly char
	globNotSlash                  // any but "/"
	globAny                       // any
)

// Errors of compileGlob, for the person who wrote the policy.
var (
	errGlobEmpty = errors.New("is empty")
	errGlobLong  = errors.New("is longer than 200 characters")
	errGlobStars = errors.New(`has more than two "*" in a row`)
	errGlobText  = errors.New("is not valid UTF-8 or has control characters")
	errGlobClass = errors.New(`has one of "[", "]", "{", "}", "\", "!" at the start: only "*", "**" and "?" are special`)
	errGlobSlash = errors.New(`has a "/" at the start or end, or two in a row`)
)

// compileGlob checks and compiles a glob.
func compileGlob(pattern string) (pathGlob, error) {
	if err := checkGlob(pattern); err != nil {
		return pathGlob{}, err
	}
	if i := strings.IndexAny(pattern, "*?"); i >= 0 {
		return pathGlob{literal: pattern[:i], states: statesOf(pattern)}, nil
	}
	return pathGlob{literal: pattern, whole: true}, nil
}

// statesOf builds the automaton of a glob that was checked.
func statesOf(pattern string) []globState {
	states := make([]globState, 0, len(pattern)+1)
	for i := 0; i < len(pattern); {
		here := len(states)
		rest := pattern[i:]
		switch {
		case strings.HasPrefix(rest, "**/") && (i == 0 || pattern[i-1] == '/'):
			// Two states: at the start of a segment, and inside one.
			states = append(states,
				globState{on: globNotSlash, to: here + 1, next: here + 2, slash: -1},
				globState{on: globNotSlash, to: here + 1, next: -1, slash: here})
			i += 3
		case strings.HasPrefix(rest, "**"):
			states = append(states, globState{on: globAny, to: here, next: here + 1, slash: -1})
			i += 2
		case rest[0] == '*':
			states = append(states, globState{on: globNotSlash, to: here, next: here + 1, slash: -1})
			i++
		case rest[0] == '?':
			states = append(states, globState{on: globNotSlash, to: here + 1, next: -1, slash: -1})
			i++
		default:
			r, n := utf8.DecodeRuneInString(rest)
			states = append(states, globState{on: globChar, char: r, to: here + 1, next: -1, slash: -1})
			i += n
		}
	}
	return append(states, globState{next: -1, slash: -1})
}

// checkGlob says what is wrong with a glob, in words that follow the glob itself.
func checkGlob(pattern string) error {
	switch {
	case pattern == "":
		return errGlobEmpty
	case len(pattern) > maxGlob:
		return errGlobLong
	case strings.Contains(pattern, "***"):
		return errGlobStars
	case !utf8.ValidString(pattern) || strings.ContainsFunc(pattern, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errGlobText
	case strings.ContainsAny(pattern, `[]{}\`) || strings.HasPrefix(pattern, "!"):
		return errGlobClass
	case strings.HasPrefix(pattern, "/") || strings.HasSuffix(pattern, "/") || strings.Contains(pattern, "//"):
		return errGlobSlash
	}
	return nil
}

// takes says where character r leads from s, -1 when nowhere.
func (s globState) takes(r rune) int {
	if r == '/' && s.slash >= 0 {
		return s.slash
	}
	switch s.on {
	case globChar:
		if r == s.char {
			return s.to
		}
	case globNotSlash:
		if r != '/' {
			return s.to
		}
	case globAny:
		return s.to
	}
	return -1
}

// stateSet is a set of states; a glob has at most maxGlob+1.
type stateSet [(maxGlob + 64) / 64]uint64

func (s *stateSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s *stateSet) add(i int)      { s[i/64] |= 1 << (i % 64) }

// enter adds state i and everything that nothing leads to from it.
func (g *pathGlob) enter(set *stateSet, i int) {
	for i >= 0 && !set.has(i) {
		set.add(i)
		i = g.states[i].next
	}
}

// match reports whether the glob matches the whole of name.
func (g *pathGlob) match(name string) bool {
	if !strings.HasPrefix(name, g.literal) {
		return false
	}
	if g.whole {
		return len(name) == len(g.literal)
	}
	// A literal text has one state for each character.
	var now stateSet
	g.enter(&now, utf8.RuneCountInString(g.literal))
	for _, r := range name[len(g.literal):] {
		var then stateSet
		alive := false
		for i := range g.states {
			if !now.has(i) {
				continue
			}
			if to := g.states[i].takes(r); to >= 0 {
				g.enter(&then, to)
				alive = true
			}
		}
		if !alive {
			return false
		}
		now = then
	}
	return now.has(len(g.states) - 1)
}

// overlaps reports whether some name is matched by both globs. It walks the pairs of
// states. Characters that neither state names behave alike, so one stands for all.
func (g pathGlob) overlaps(h pathGlob) bool {
	n := min(len(g.literal), len(h.literal))
	if g.literal[:n] != h.literal[:n] {
		return false
	}
	g, h = g.walked(), h.walked()
	seen := make([]bool, len(g.states)*len(h.states))
	todo := [][2]int{{0, 0}}
	for len(todo) > 0 {
		a, b := todo[len(todo)-1][0], todo[len(todo)-1][1]
		todo = todo[:len(todo)-1]
		if a < 0 || b < 0 || seen[a*len(h.states)+b] {
			continue
		}
		seen[a*len(h.states)+b] = true
		if a == len(g.states)-1 && b == len(h.states)-1 {
			return true
		}
		s, t := g.states[a], h.states[b]
		todo = append(todo, [2]int{s.next, b}, [2]int{a, t.next})
		for _, r := range [...]rune{'/', s.char, t.char, '\uffff'} {
			todo = append(todo, [2]int{s.takes(r), t.takes(r)})
		}
	}
	return false
}

// walked is the glob with its automaton.
func (g pathGlob) walked() pathGlob {
	if g.whole {
		g.states = statesOf(g.literal)
	}
	return g
}

// pathGlobs are globs, any of which may match.
type pathGlobs struct {
	list []pathGlob
	// begins has the first byte of every name that one of them can match, unless one begins with
	// a wildcard: open. A change has many files, and few of them begin like a glob.
	begins [256 / 64]uint64
	open   bool
}

// compileGlobs compiles globs that Parse has checked. One that does not compile was
// not checked, and matches nothing: the caller must not take that for safety, so ok
// is false.
func compileGlobs(patterns []string) (globs pathGlobs, ok bool) {
	ok = true
	for _, p := range patterns {
		g, err := compileGlob(p)
		if err != nil {
			ok = false
			continue
		}
		globs.list = append(globs.list, g)
		if g.literal == "" {
			globs.open = true
		} else {
			globs.begins[g.literal[0]/64] |= 1 << (g.literal[0] % 64)
		}
	}
	return globs, ok
}

// match reports whether one of the globs matches.
func (globs *pathGlobs) match(name string) bool {
	if !globs.open && (name == "" || globs.begins[name[0]/64]&(1<<(name[0]%64)) == 0) {
		return false
	}
	for i := range globs.list {
		if globs.list[i].match(name) {
			return true
		}
	}
	return false
}
