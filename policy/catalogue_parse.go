package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// Limits of a catalogue; more is refused.
const (
	maxCatalogueBytes = 1 << 20
	maxAgents         = 1000
	maxAgentEntries   = 100 // in one list of one agent
	catalogueVersion  = 1
)

// ParseCatalogue reads a catalogue file, or what Bytes returned. It is strict: an unknown
// key, a key or identity given twice, a shape that does not compile are errors, all of
// them reported at once, each with its line.
func ParseCatalogue(src []byte) (*Catalogue, error) {
	if len(src) > maxCatalogueBytes {
		return nil, fmt.Errorf("agent catalogue: larger than %d bytes", maxCatalogueBytes)
	}
	source, encoded, extended := cutDocuments(src)
	revision, own, err := parseCatalogueFile(source)
	if err != nil {
		return nil, fmt.Errorf("agent catalogue: %w", err)
	}
	var extra []Agent
	if extended {
		if extra, err = parseAdditions(encoded); err != nil {
			return nil, fmt.Errorf("agent catalogue: the organisation's agents: %w", err)
		}
	} else {
		encoded = nil
	}
	return newCatalogue(revision, append([]byte(nil), source...), own, extra, encoded), nil
}

// cutDocuments splits Bytes into the catalogue file and the organisation's agents.
func cutDocuments(src []byte) (source, encoded []byte, extended bool) {
	at := bytes.Index(src, []byte("\n"+separator))
	if at < 0 {
		return src, nil, false
	}
	return src[:at+1], src[at+1+len(separator):], true
}

// parseAdditions reads the second document. We wrote it, so anything that we would have
// written otherwise is refused.
func parseAdditions(encoded []byte) ([]Agent, error) {
	var doc additions
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return nil, err
	}
	if len(doc.Additions) == 0 {
		return nil, errors.New("empty")
	}
	again, restored := encodeAdditions(doc.Additions)
	if !bytes.Equal(again, encoded) {
		return nil, errors.New("not in the form in which they are recorded")
	}
	return restored, nil
}

// parseCatalogueFile reads the first document.
func parseCatalogueFile(src []byte) (revision string, agents []Agent, err error) {
	var doc yaml.Node
	if err := yaml.Load(src, &doc); err != nil {
		return "", nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return "", nil, errors.New("not one document")
	}
	d := &catalogueDecoder{}
	var version int64
	var lines []int
	d.mapping(doc.Content[0], "", map[string]func(*yaml.Node){
		"version":  func(n *yaml.Node) { version = d.integer(n) },
		"revision": func(n *yaml.Node) { revision = d.scalar(n) },
		"agents":   func(n *yaml.Node) { agents, lines = d.agents(n) },
	})
	if version != catalogueVersion && len(d.problems) == 0 {
		d.problem(doc.Content[0], "version must be %d", catalogueVersion)
	}
	if len(agents) > maxAgents {
		d.problem(doc.Content[0], "more than %d agents", maxAgents)
	}
	if len(d.problems) == 0 {
		for _, p := range checkAgents(nil, agents) {
			d.problems = append(d.problems, fmt.Errorf("line %d: agent %s: %s: %s", lines[p.Index], agents[p.Index].Name, p.Field, p.Message))
		}
	}
	return revision, agents, errors.Join(d.problems...)
}

// catalogueDecoder collects problems while it walks the file.
type catalogueDecoder struct{ problems []error }

func (d *catalogueDecoder) problem(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...)))
}

// mapping calls the function of every key.
func (d *catalogueDecoder) mapping(n *yaml.Node, what string, keys map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, "%smust be a mapping", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := keys[key.Value]
		switch {
		case key.Kind != yaml.ScalarNode || read == nil:
			d.problem(key, "%sunknown key %q", what, key.Value)
		case seen[key.Value]:
			d.problem(key, "%skey %q is given twice", what, key.Value)
		default:
			seen[key.Value] = true
			read(value)
		}
	}
}

func (d *catalogueDecoder) scalar(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.problem(n, "must be one value")
	}
	return n.Value
}

func (d *catalogueDecoder) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.problem(n, "must be text")
	}
	return n.Value
}

func (d *catalogueDecoder) boolean(n *yaml.Node) bool {
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		d.problem(n, "must be true or false")
	}
	return n.Value == "true"
}

func (d *catalogueDecoder) integer(n *yaml.Node) int64 {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil {
		d.problem(n, "must be a whole number")
	}
	return v
}

// sequence reads a list.
func sequence[T any](d *catalogueDecoder, n *yaml.Node, read func(*yaml.Node) T) []T {
	if n.Kind != yaml.SequenceNode {
		d.problem(n, "must be a list")
		return nil
	}
	var list []T
	for _, item := range n.Content {
		list = append(list, read(item))
	}
	return list
}

func (d *catalogueDecoder) agents(n *yaml.Node) (agents []Agent, lines []int) {
	agents = sequence(d, n, func(n *yaml.Node) Agent {
		lines = append(lines, n.Line)
		return d.agent(n)
	})
	return agents, lines
}

func (d *catalogueDecoder) agent(n *yaml.Node) (a Agent) {
	text := func(to *string) func(*yaml.Node) { return func(n *yaml.Node) { *to = d.text(n) } }
	flag := func(to *bool) func(*yaml.Node) { return func(n *yaml.Node) { *to = d.boolean(n) } }
	texts := func(to *[]string) func(*yaml.Node) { return func(n *yaml.Node) { *to = sequence(d, n, d.text) } }
	d.mapping(n, "agent: ", map[string]func(*yaml.Node){
		"name": text(&a.Name), "kind": text(&a.Kind), "vendor": text(&a.Vendor), "provider": text(&a.Provider),
		"local": flag(&a.Local), "suggests": flag(&a.Suggests),
		"ids":    func(n *yaml.Node) { a.IDs = sequence(d, n, d.integer) },
		"logins": texts(&a.Logins), "apps": texts(&a.Apps), "emails": texts(&a.Emails), "names": texts(&a.Names),
		"trailers": texts(&a.Trailers), "branches": texts(&a.Branches), "titles": texts(&a.Titles),
		"labels": texts(&a.Labels), "body": texts(&a.Body), "sessions": texts(&a.Sessions), "mentions": texts(&a.Mentions),
	})
	return a
}

// AgentProblem is one thing that is wrong with an agent.
type AgentProblem struct {
	Index   int    // position in the list
	Field   string // "name", "ids", "emails", …
	Message string
	Hint    string // what to do; may be empty
}

// CheckAgents says what is wrong with agents that an organisation wants to add to the
// catalogue: nothing, when they can be added. An identity that the catalogue has as
// automation may be added as an agent (more scrutiny), never the other way round.
func (c *Catalogue) CheckAgents(extra []Agent) []AgentProblem { return checkAgents(c, extra) }

// checkAgents checks agents against each other and, when there is one, against a catalogue.
func checkAgents(c *Catalogue, agents []Agent) []AgentProblem {
	k := &agentChecker{catalogue: c, seen: map[string]string{}}
	for i := range agents {
		k.index = i
		k.check(&agents[i])
	}
	return k.problems
}

// agentChecker holds what the agents before had.
type agentChecker struct {
	catalogue *Catalogue
	seen      map[string]string // "field\x00value" to the agent that has it
	index     int
	problems  []AgentProblem
}

func (k *agentChecker) problem(field, hint, format string, args ...any) {
	k.problems = append(k.problems, AgentProblem{Index: k.index, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (k *agentChecker) check(a *Agent) {
	k.name(a)
	switch {
	case a.Kind == KindAgent || a.Kind == KindAutomation:
	case a.Kind == KindPlatform && k.catalogue == nil:
	default:
		k.problem("kind", "use ai-agent or automation", "unknown kind %q", a.Kind)
	}
	for _, field := range []struct{ name, value string }{{"vendor", a.Vendor}, {"provider", a.Provider}} {
		k.plain(field.name, field.value)
	}
	if len(a.IDs)+len(a.Logins)+len(a.Apps)+len(a.Emails)+len(a.Names)+len(a.Trailers)+len(a.Branches)+
		len(a.Titles)+len(a.Labels)+len(a.Body)+len(a.Sessions) == 0 {
		k.problem("ids", "add its numeric account id, for example from https://api.github.com/users/LOGIN", "nothing says how it is recognised")
	}
	k.ids(a)
	for _, list := range []struct {
		field  string
		values []string
		check  func(string) string // says what is wrong
	}{
		{"logins", a.Logins, checkLogin}, {"apps", a.Apps, checkSlug}, {"emails", a.Emails, checkEmail},
		{"names", a.Names, checkText}, {"trailers", a.Trailers, checkTrailer}, {"branches", a.Branches, checkText},
		{"titles", a.Titles, checkBeginning}, {"labels", a.Labels, checkNothing}, {"body", a.Body, checkBeginning},
		{"sessions", a.Sessions, checkSession}, {"mentions", a.Mentions, checkSlug},
	} {
		k.list(a, list.field, list.values, list.check)
	}
}

func (k *agentChecker) name(a *Agent) {
	for i := range len(a.Name) {
		if !isAlnum(a.Name[i]) && a.Name[i] != '-' && a.Name[i] != '.' && a.Name[i] != '_' {
			k.problem("name", "use letters, digits, - . and _", "not a name: %q", a.Name)
			return
		}
	}
	switch {
	case a.Name == "" || len(a.Name) > 64:
		k.problem("name", "", "must have 1 to 64 characters")
	case a.Name == UnlistedBot || k.catalogue != nil && k.catalogue.names[a.Name] != nil:
		k.problem("name", "choose another name", "%q is an agent of the catalogue", a.Name)
	default:
		k.once(a, "name", a.Name)
	}
}

func (k *agentChecker) ids(a *Agent) {
	if len(a.IDs) > maxAgentEntries {
		k.problem("ids", "", "more than %d", maxAgentEntries)
	}
	for _, id := range a.IDs {
		if id <= 0 {
			k.problem("ids", "", "%d is no account id", id)
			continue
		}
		if k.catalogue != nil {
			k.against(a, "ids", strconv.FormatInt(id, 10), k.catalogue.ids[id])
		}
		k.once(a, "ids", strconv.FormatInt(id, 10))
	}
}

func (k *agentChecker) list(a *Agent, field string, values []string, check func(string) string) {
	if len(values) > maxAgentEntries {
		k.problem(field, "", "more than %d", maxAgentEntries)
	}
	for _, value := range values {
		if value == "" {
			k.problem(field, "", "must not be empty")
			continue
		}
		if !k.plain(field, value) {
			continue
		}
		if wrong := check(value); wrong != "" {
			k.problem(field, "", "%q: %s", value, wrong)
			continue
		}
		if k.catalogue != nil {
			k.against(a, field, value, k.catalogue.holder(field, value))
		}
		k.once(a, field, strings.ToLower(value))
	}
}

// holder returns the agent that has an identity already.
func (c *Catalogue) holder(field, value string) *Agent {
	value = strings.ToLower(value)
	switch field {
	case "logins":
		return c.bots[strings.TrimSuffix(value, "[bot]")]
	case "apps":
		return c.apps[value]
	case "emails":
		return c.emails[value]
	}
	return nil
}

// against refuses an identity that the catalogue has, unless it becomes an agent's.
func (k *agentChecker) against(a *Agent, field, value string, held *Agent) {
	if held == nil || held.Kind == KindAutomation && a.Kind == KindAgent {
		return
	}
	k.problem(field, "leave it out", "%s is already %s of the catalogue (%s)", value, held.Name, held.Kind)
}

// once refuses what another agent of the list has.
func (k *agentChecker) once(a *Agent, field, value string) {
	key := field + "\x00" + value
	if other, taken := k.seen[key]; taken {
		k.problem(field, "", "%s is given twice (%s and %s)", value, other, a.Name)
		return
	}
	k.seen[key] = a.Name
}

// plain refuses text that cannot be shown.
func (k *agentChecker) plain(field, value string) bool {
	bad := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	if len(value) <= maxShapeBytes && utf8.ValidString(value) && !strings.ContainsFunc(value, bad) {
		return true
	}
	k.problem(field, "", "must be at most %d bytes of text without control characters", maxShapeBytes)
	return false
}

func checkNothing(string) string { return "" }

func checkSlug(s string) string {
	for i := range len(s) {
		if !isIDByte(s[i]) {
			return "is not a login or App slug"
		}
	}
	return ""
}

func checkLogin(s string) string { return checkSlug(strings.TrimSuffix(s, "[bot]")) }

func checkEmail(s string) string {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || !strings.Contains(domain, ".") || strings.ContainsAny(s, "*{}<> ") {
		return "is not a whole e-mail address"
	}
	return ""
}

func checkBeginning(s string) string {
	if len(undecorated(s)) < 6 {
		return "says too little: at least 6 characters"
	}
	return ""
}

func checkText(s string) string { return checkShape(s, minShapeFixed) }

// checkShape says what is wrong with a shape.
func checkShape(s string, atLeast int) string {
	_, fixed, err := parseShape(s, false)
	switch {
	case err != nil:
		return err.Error()
	case fixed < atLeast:
		return fmt.Sprintf("would match too much: pin down at least %d characters", atLeast)
	}
	return ""
}

func checkTrailer(s string) string {
	_, value, ok := cutTrailerRule(s)
	if !ok {
		return `must be "Key: value"`
	}
	name, address, addressed := cutAddress(value)
	if !addressed {
		return checkShape(value, 0)
	}
	if wrong := checkEmail(strings.Replace(address, "*@", "any@", 1)); wrong != "" {
		return "the address " + wrong
	}
	if strings.HasPrefix(address, "*@") {
		return checkShape(name, 2) // a domain alone is everybody who works there
	}
	return checkShape(name, 0)
}

func checkSession(s string) string {
	if _, value, ok := cutTrailerRule(s); ok {
		return checkShape(value, 0)
	}
	host, path, ok := strings.Cut(s, "/")
	if !ok || !strings.Contains(host, ".") || strings.ContainsAny(host, "*{} :") || path == "" {
		return `must be "host/path", without scheme, or "Key: value"`
	}
	return checkShape(path, minShapeFixed)
}
