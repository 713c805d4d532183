package policy

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
)

// The kinds of an Agent.
const (
	KindAgent      = "ai-agent"
	KindAutomation = "automation"
	// KindPlatform is GitHub itself: its browser editor and its merge queue.
	KindPlatform = "platform"
)

// UnlistedBot is the name under which a bot that nobody listed is recorded. It counts as
// an agent: what it is, nobody has said.
const UnlistedBot = "unlisted-bot"

//go:embed agents.yml
var builtinSource []byte

// Parsed once: it is a constant that the compiler cannot parse for us.
var builtin = sync.OnceValue(func() *Catalogue {
	c, err := ParseCatalogue(builtinSource)
	if err != nil {
		panic("policy: agents.yml is broken: " + err.Error())
	}
	return c
})

// Catalogue is the list of agents, assistants and automations, indexed so that looking an
// identity up costs the same however long the list is. It is never changed after it was
// made, so it may be used concurrently.
type Catalogue struct {
	revision string
	source   []byte  // the catalogue file
	extra    []Agent // what the organisation adds
	bytes    []byte
	agents   []*Agent

	names  map[string]*Agent
	ids    map[int64]*Agent
	bots   map[string]*Agent // login of a bot, lower case, without "[bot]"
	users  map[string]*Agent // login of a user account, lower case
	apps   map[string]*Agent
	emails map[string]*Agent
	labels map[string]*Agent
	calls  map[string]*Agent // what follows the "@" of a call, lower case

	authorNames []textRule
	branches    []textRule
	titles      []prefixRule
	body        []prefixRule
	trailers    map[string]*trailerRules // by key, lower case
	hosts       map[string][]textRule    // session links by host, lower case
	unlisted    *Agent
}

// textRule says that text of a shape is a trace of an agent.
type textRule struct {
	shape shape
	agent *Agent
}

// prefixRule says that text with a beginning is a trace of an agent.
type prefixRule struct {
	prefix string
	agent  *Agent
}

// trailerRules are the rules for one trailer key.
type trailerRules struct {
	mails    map[string][]textRule // by whole address; the shape is of the name before it
	domains  map[string][]textRule // by domain of the address
	values   []textRule            // of values without an address
	sessions []textRule            // the trailer carries a session
}

// Builtin returns the catalogue that is embedded in this program.
func Builtin() *Catalogue { return builtin() }

// BuiltinSource returns a copy of the bytes of the embedded catalogue.
func BuiltinSource() []byte { return append([]byte(nil), builtinSource...) }

// Revision returns the catalogue's date of revision, e.g. "2026-11-23".
func (c *Catalogue) Revision() string { return c.revision }

// Bytes returns the exact bytes that are recorded with a decision: the catalogue file, and
// the organisation's agents as a second document. ParseCatalogue makes an equal catalogue
// of them.
func (c *Catalogue) Bytes() []byte { return append([]byte(nil), c.bytes...) }

// Agents returns all entries, in the order of the file, the organisation's last.
func (c *Catalogue) Agents() []Agent {
	list := make([]Agent, len(c.agents))
	for i, a := range c.agents {
		list[i] = *a
	}
	return list
}

// With returns the catalogue with an organisation's agents added to those it has. The
// agents are those of a policy that Parse accepted, which asks CheckAgents. It cannot
// fail: of an agent that CheckAgents refuses, whatever can be used is used, and where two
// entries claim one identity the one that means more scrutiny holds. Nothing that the
// catalogue recognises is lost.
func (c *Catalogue) With(extra []Agent) *Catalogue {
	if len(extra) == 0 {
		return c
	}
	all := append(append([]Agent(nil), c.extra...), extra...)
	encoded, restored := encodeAdditions(all)
	return newCatalogue(c.revision, c.source, c.own(), restored, encoded)
}

// own returns the entries of the catalogue file.
func (c *Catalogue) own() []Agent { return c.Agents()[:len(c.agents)-len(c.extra)] }

// additions is the second document of Bytes.
type additions struct {
	Additions []Agent `json:"additions"`
}

// encodeAdditions encodes an organisation's agents, and returns them as decoding gives
// them back: what is recorded is exactly what was used.
func encodeAdditions(agents []Agent) ([]byte, []Agent) {
	encoded, err := json.Marshal(additions{agents})
	if err != nil {
		panic("policy: encode agents: " + err.Error()) // plain strings, numbers and booleans always encode
	}
	var restored additions
	if err := json.Unmarshal(encoded, &restored); err != nil {
		panic("policy: decode agents: " + err.Error())
	}
	return append(encoded, '\n'), restored.Additions
}

// separator is between the catalogue file and the organisation's agents: a YAML document
// marker.
const separator = "---\n"

// newCatalogue builds the indexes.
func newCatalogue(revision string, source []byte, own, extra []Agent, encoded []byte) *Catalogue {
	c := &Catalogue{
		revision: revision, source: source, extra: extra,
		names: map[string]*Agent{}, ids: map[int64]*Agent{}, bots: map[string]*Agent{}, users: map[string]*Agent{},
		apps: map[string]*Agent{}, emails: map[string]*Agent{}, labels: map[string]*Agent{}, calls: map[string]*Agent{},
		trailers: map[string]*trailerRules{}, hosts: map[string][]textRule{},
		unlisted: &Agent{Name: UnlistedBot, Kind: KindAgent, Vendor: "unknown", Provider: "unknown"},
	}
	c.bytes = append([]byte(nil), source...)
	if encoded != nil {
		c.bytes = append(append(c.bytes, separator...), encoded...)
	}
	for _, list := range [][]Agent{own, extra} {
		for i := range list {
			a := list[i]
			c.agents = append(c.agents, &a)
			c.index(&a)
		}
	}
	return c
}

// index enters one agent. Shapes that do not compile are left out: ParseCatalogue and
// CheckAgents refuse them.
func (c *Catalogue) index(a *Agent) {
	put(c.names, a.Name, a)
	for _, id := range a.IDs {
		put(c.ids, id, a)
	}
	for _, login := range a.Logins {
		bare, isBot := strings.CutSuffix(strings.ToLower(login), "[bot]")
		put(c.bots, bare, a)
		if !isBot {
			put(c.users, bare, a)
		}
	}
	for _, slug := range a.Apps {
		put(c.apps, strings.ToLower(slug), a)
		put(c.bots, strings.ToLower(slug), a) // an App's bot has the App's slug as login
	}
	for _, email := range a.Emails {
		put(c.emails, strings.ToLower(email), a)
	}
	for _, label := range a.Labels {
		put(c.labels, strings.ToLower(label), a)
	}
	for _, list := range [][]string{a.Logins, a.Apps, a.Mentions} {
		for _, name := range list {
			put(c.calls, bareLogin(strings.ToLower(name)), a)
		}
	}
	c.authorNames = appendShapes(c.authorNames, a, a.Names, false)
	c.branches = appendShapes(c.branches, a, a.Branches, false)
	for _, title := range a.Titles {
		c.titles = append(c.titles, prefixRule{title, a})
	}
	for _, line := range a.Body {
		c.body = append(c.body, prefixRule{undecorated(line), a})
	}
	for _, trailer := range a.Trailers {
		c.indexTrailer(a, trailer)
	}
	for _, session := range a.Sessions {
		c.indexSession(a, session)
	}
}

// put enters an agent under a key. Where two claim it, the one that means more scrutiny
// stays, so no addition can hide an agent.
func put[K comparable](m map[K]*Agent, key K, a *Agent) {
	if held := m[key]; held == nil || scrutiny(held) < scrutiny(a) {
		m[key] = a
	}
}

// scrutiny orders the kinds.
func scrutiny(a *Agent) int {
	switch a.Kind {
	case KindPlatform:
		return 0
	case KindAutomation:
		return 1
	default: // a kind that we do not know is an agent's
		return 2
	}
}

func appendShapes(rules []textRule, a *Agent, sources []string, fold bool) []textRule {
	for _, src := range sources {
		if s, _, err := parseShape(src, fold); err == nil {
			rules = append(rules, textRule{s, a})
		}
	}
	return rules
}

// indexTrailer enters a "Key: shape".
func (c *Catalogue) indexTrailer(a *Agent, src string) {
	key, value, ok := cutTrailerRule(src)
	if !ok {
		return
	}
	rules := c.trailerRules(key)
	name, address, addressed := cutAddress(value)
	if !addressed {
		rules.values = appendShapes(rules.values, a, []string{value}, true)
		return
	}
	address = strings.ToLower(address)
	if domain, wild := strings.CutPrefix(address, "*@"); wild {
		rules.domains[domain] = appendShapes(rules.domains[domain], a, []string{name}, true)
		return
	}
	rules.mails[address] = appendShapes(rules.mails[address], a, []string{name}, true)
}

// indexSession enters a session link, or a trailer that carries one.
func (c *Catalogue) indexSession(a *Agent, src string) {
	if key, value, ok := cutTrailerRule(src); ok {
		rules := c.trailerRules(key)
		rules.sessions = appendShapes(rules.sessions, a, []string{value}, true)
		return
	}
	host, _, _ := strings.Cut(src, "/")
	host = strings.ToLower(host)
	c.hosts[host] = appendShapes(c.hosts[host], a, []string{src[len(host):]}, true)
}

func (c *Catalogue) trailerRules(key string) *trailerRules {
	key = strings.ToLower(key)
	if c.trailers[key] == nil {
		c.trailers[key] = &trailerRules{mails: map[string][]textRule{}, domains: map[string][]textRule{}}
	}
	return c.trailers[key]
}

// cutTrailerRule splits "Key: shape".
func cutTrailerRule(src string) (key, value string, ok bool) {
	key, value, ok = strings.Cut(src, ": ")
	return key, value, ok && isTrailerKey(key)
}

// cutAddress splits "name <address>".
func cutAddress(value string) (name, address string, ok bool) {
	open := strings.LastIndexByte(value, '<')
	if open < 0 || !strings.HasSuffix(value, ">") || !strings.Contains(value[open:], "@") {
		return value, "", false
	}
	return strings.TrimRight(value[:open], " \t"), strings.TrimSpace(value[open+1 : len(value)-1]), true
}

// Named returns the agent with that name, nil when there is none.
func (c *Catalogue) Named(name string) *Agent {
	if name == UnlistedBot {
		return c.unlisted
	}
	return c.names[name]
}

// ByID returns the agent with that account id, nil when there is none.
func (c *Catalogue) ByID(id int64) *Agent { return c.ids[id] }

// ByApp returns the agent with that App slug, nil when there is none.
func (c *Catalogue) ByApp(slug string) *Agent {
	if len(slug) > maxLookupBytes {
		return nil
	}
	var buf [maxLookupBytes]byte
	return c.apps[string(appendLower(buf[:0], slug))]
}

// ByLogin returns the agent with that login, with or without "[bot]", nil when there is
// none. It is for display and for claims: logins are used again by others.
func (c *Catalogue) ByLogin(login string) *Agent {
	if strings.HasSuffix(login, "[bot]") {
		return c.botLogin(login)
	}
	if a := c.userLogin(login); a != nil {
		return a
	}
	return c.botLogin(login)
}

// ByEmail returns the agent with that address, nil when there is none. An address at
// users.noreply.github.com is looked up by the id in it.
func (c *Catalogue) ByEmail(email string) *Agent { return c.ofEmail(email) }

// maxLookupBytes is the longest login, slug, key or address that is looked up.
const maxLookupBytes = 254

func (c *Catalogue) botLogin(login string) *Agent {
	login = strings.TrimSuffix(login, "[bot]")
	if len(login) > maxLookupBytes {
		return nil
	}
	var buf [maxLookupBytes]byte
	return c.bots[string(appendLower(buf[:0], login))]
}

func (c *Catalogue) userLogin(login string) *Agent {
	if len(login) > maxLookupBytes {
		return nil
	}
	var buf [maxLookupBytes]byte
	return c.users[string(appendLower(buf[:0], login))]
}

// OfActor returns the agent, automation or platform behind an account, nil when the
// account is none that we know. A bot that nobody listed is the agent UnlistedBot.
func (c *Catalogue) OfActor(a Actor) *Agent {
	agent, _ := c.ofActor(a)
	return agent
}

// ofActor is OfActor; asserted is false when only a login says so.
func (c *Catalogue) ofActor(a Actor) (agent *Agent, asserted bool) {
	if a.ID != 0 {
		if agent := c.ids[a.ID]; agent != nil {
			return agent, true
		}
	}
	if isBot(a) {
		agent := c.botLogin(a.Login)
		// A login with another id than the listed one may have been taken over. That
		// does no harm when it means an agent, and must not when it means less.
		if agent == nil || a.ID != 0 && len(agent.IDs) > 0 && agent.Kind != KindAgent {
			return c.unlisted, true
		}
		return agent, true
	}
	if a.Login == "" {
		return nil, false
	}
	if agent := c.userLogin(a.Login); agent != nil && (a.ID == 0 || len(agent.IDs) == 0) {
		return agent, false
	}
	return nil, false
}

// isBot reports whether GitHub says that the account is an App's. A login with brackets
// can only be an App's: GitHub gives them to nobody else.
func isBot(a Actor) bool {
	return a.Type == TypeBot || a.Type == "" && strings.HasSuffix(a.Login, "[bot]")
}

// ofEmail returns the agent that an address claims.
func (c *Catalogue) ofEmail(email string) *Agent {
	if email == "" || len(email) > maxLookupBytes {
		return nil
	}
	var buf [maxLookupBytes]byte
	lower := appendLower(buf[:0], email)
	if agent := c.emails[string(lower)]; agent != nil {
		return agent
	}
	id, login, ok := noreply(email)
	if !ok {
		return nil
	}
	var agent *Agent
	if id != 0 {
		agent = c.ids[id]
	}
	if !strings.HasSuffix(login, "[bot]") {
		return agent
	}
	// Only Apps have brackets in their login, so here the login says something: the
	// Claude action commits with the id of github-actions and a login of its own.
	byLogin := c.botLogin(login)
	switch {
	case agent != nil && (byLogin == nil || scrutiny(byLogin) <= scrutiny(agent)):
		return agent
	case byLogin == nil, id != 0 && agent == nil && len(byLogin.IDs) > 0 && byLogin.Kind != KindAgent:
		return c.unlisted
	}
	return byLogin
}

// noreplyDomain is where GitHub gives every account an address.
//
// Source: https://docs.github.com/en/account-and-profile/reference/email-addresses-reference
const noreplyDomain = "@users.noreply.github.com"

// noreply splits an address of GitHub's own, <id>+<login> or <login>; id is 0 in the latter.
func noreply(email string) (id int64, login string, ok bool) {
	n := len(email) - len(noreplyDomain)
	if n <= 0 || !hasPrefixFold(email[n:], noreplyDomain) {
		return 0, "", false
	}
	local := email[:n]
	digits := 0
	for digits < len(local) && isDigit(local[digits]) {
		digits++
	}
	if digits == 0 || digits > 18 || digits == len(local) || local[digits] != '+' {
		return 0, local, true
	}
	for i := range digits {
		id = id*10 + int64(local[i]-'0')
	}
	return id, local[digits+1:], true
}
