package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Traces is what a change shows of who wrote it. Every field may be unknown: an empty
// field is no evidence, neither for nor against an agent.
type Traces struct {
	// Author is the account that opened the pull request, as GitHub asserts it.
	Author Actor
	// App is the App that acted for Author; zero when none is known.
	App     App
	HeadRef string
	Title   string
	// Body is the pull request's body.
	Body    string
	Labels  []string
	Commits []Commit
	Pushes  []Push

	// markers are the lines that Markers kept; they take the place of Body.
	markers []string
	// pullRequest: these are the traces of a pull request, so somebody opened it even if
	// Author is not known. Commits of a clone may have no pull request.
	pullRequest bool
}

// TracesOf returns the traces that facts hold.
func TracesOf(f *Facts) Traces {
	return Traces{
		Author: f.Change.Author, HeadRef: f.Change.HeadRef, Title: f.Change.Title, Labels: f.Change.Labels,
		Commits: f.Commits.Items, Pushes: f.Pushes, markers: f.Change.Markers, pullRequest: true,
	}
}

// Classification is what the traces of a change amount to.
type Classification struct {
	Class Class
	// Agents are the names of those who decided the class, strongest evidence first,
	// then by name. Empty when the class is undetected.
	Agents []string
	// Signals are all traces, strongest first, then by kind, agent, place and value; at
	// most MaxSignals, the weakest left out.
	Signals []Signal
}

// MaxSignals bounds the signals that are recorded; all of them decide.
const MaxSignals = 1000

// maxValueBytes is where a signal's value is cut.
const maxValueBytes = 200

// level is what one signal argues for.
type level int

// The levels. Only those from levelSuggestion on are about the work of a model.
const (
	levelNone       level = iota // recorded, decides nothing
	levelPlatform                // GitHub itself
	levelAutomation              // a known automation is the author or the pusher
	levelWeak                    // says little alone
	levelSuggestion              // a person accepted a suggestion
	levelAssist                  // an agent took part in a person's work
	levelAgent                   // an agent wrote it
)

// Classify says what the traces of a change amount to. The strongest class holds:
//
//   - agent: an agent, or a bot that nobody listed, opened the pull request, pushed, signed
//     or authored a commit; or a session of a hosted agent is linked; or two weak signals
//     of different kinds (branch, body, title, label) meet, where one could be chance; or
//     an automation's change or commit has what would make a person's assisted.
//   - assisted: none of these, but an agent's trailer, name or local session on a person's
//     commit, an agent's merge on a person's pull request, or an agent's marker at the
//     beginning of a line of the body. A branch, title or label alone is recorded and
//     decides nothing: people work on branches called codex/ and cursor/ too.
//   - suggestion: only trailers of review products, whose suggestion somebody accepted.
//   - automation: a known automation, and nobody else, opened the change and made and
//     pushed every commit.
//   - platform: the same of GitHub's own accounts.
//   - undetected: no agent indicator found. That is not a claim that a person wrote it.
//
// A signal of an agent can therefore raise the class, and never lowers it. The order of
// commits, pushes and labels does not matter.
func Classify(c *Catalogue, t Traces) Classification {
	return classify(&reader{Catalogue: c}, t)
}

func classify(r *reader, t Traces) Classification {
	k := classifier{reader: r, expected: len(t.Commits) + 1}
	k.account(t)
	for i := range t.Commits {
		k.commit(&t.Commits[i])
	}
	k.byAutomation = false
	k.text(t)
	return k.conclude()
}

// hits are the signals of one strength, kind and agent. A change has few such groups and
// many signals in each.
type hits struct {
	kind     string
	strength Strength
	agent    string
	list     []hit
}

// hit is where a signal is, what it is, and what it argues for.
type hit struct {
	where, value string
	level        level
}

// classifier collects hits.
type classifier struct {
	*reader
	hits []hits
	// expected is room for a signal of every commit: what one commit has, most have.
	expected int
	// people counts identities that are neither agent nor automation nor GitHub.
	people int
	// openedByAutomation and openedByPerson: whom GitHub asserts as the author of the
	// change; neither when that is not known.
	openedByAutomation, openedByPerson bool
	// unopened: nothing is known of a pull request.
	unopened bool
	// byAutomation: the author of the commit at hand is an automation.
	byAutomation bool
	// place is "commit <sha>" of the commit at hand, made when it is needed; places are those of
	// all commits so far, one behind the other.
	place  string
	places strings.Builder
	// shown is the account that was shown last, shownText how: most often it comes again.
	shown     Actor
	shownText string
}

func (k *classifier) add(kind string, strength Strength, agent *Agent, where, value string, l level) {
	if agent.Kind != KindAgent && l > levelAutomation {
		l = levelNone // automation leaves trailers and branches too
	}
	group := k.group(kind, strength, agent.Name)
	group.list = append(group.list, hit{where, cut(value, maxValueBytes), l})
}

// group returns the signals of one strength, kind and agent.
func (k *classifier) group(kind string, strength Strength, agent string) *hits {
	for i := range k.hits {
		if g := &k.hits[i]; g.kind == kind && g.agent == agent && g.strength == strength {
			return g
		}
	}
	k.hits = append(k.hits, hits{kind: kind, strength: strength, agent: agent, list: make([]hit, 0, k.expected)})
	return &k.hits[len(k.hits)-1]
}

// made is the level of having made or pushed something.
func made(a *Agent) level {
	switch a.Kind {
	case KindPlatform:
		return levelPlatform
	case KindAutomation:
		return levelAutomation
	default:
		return levelAgent
	}
}

// accountText shows an account.
func (k *classifier) accountText(a Actor) string {
	if a.ID == 0 {
		return a.Login
	}
	if a != k.shown {
		k.shown, k.shownText = a, a.Login+" ("+strconv.FormatInt(a.ID, 10)+")"
	}
	return k.shownText
}

// account looks at what GitHub asserts: author, App, pushers.
func (k *classifier) account(t Traces) {
	k.actor(t.Author, "author", "pull request")
	if agent := k.ByApp(t.App.Slug); agent != nil {
		k.add("app", StrengthAsserted, agent, "pull request", t.App.Slug, made(agent))
	}
	k.openedByPerson = k.people > 0
	if k.unopened = t.Author == (Actor{}) && !t.pullRequest; t.Author == (Actor{}) && t.pullRequest {
		k.people++ // an account that was deleted, perhaps: not surely an automation's
	}
	if agent, asserted := k.ofActor(t.Author); asserted && agent.Kind == KindAutomation {
		k.openedByAutomation = true
	}
	for i := range t.Pushes {
		k.actor(t.Pushes[i].Pusher, "pusher", "push "+t.Pushes[i].After)
	}
}

// actor looks at an account that GitHub asserts.
func (k *classifier) actor(a Actor, kind, where string) {
	agent, asserted := k.ofActor(a)
	switch {
	case agent == k.unlisted:
		k.add("unlisted-bot", StrengthAsserted, agent, where, k.accountText(a), levelAgent)
	case agent != nil && asserted:
		k.add(kind, StrengthAsserted, agent, where, k.accountText(a), made(agent))
	case agent != nil && agent.Kind == KindAgent:
		k.add(kind, StrengthClaimed, agent, where, k.accountText(a), levelAgent)
	case agent != nil:
		// A login alone adds scrutiny and takes none away: it may be anybody's by now.
		k.add(kind, StrengthClaimed, agent, where, k.accountText(a), levelNone)
		k.people++
	case a != (Actor{}):
		k.people++
	}
}

// commit looks at one commit.
func (k *classifier) commit(m *Commit) {
	k.place = ""
	author := k.identity(&m.Author, "author", nil, m)
	k.byAutomation = author != nil && author.Kind == KindAutomation
	if m.Committer != m.Author {
		k.identity(&m.Committer, "committer", author, m)
	}
	for i := range m.CoAuthors {
		k.coAuthor(&m.CoAuthors[i], m)
	}
	k.signature(m)
	for i := range m.Trailers {
		k.trailer(&m.Trailers[i], m)
	}
	for i := range k.titles {
		if rule := &k.titles[i]; strings.HasPrefix(m.Headline, rule.prefix) {
			k.add("title", StrengthWeak, rule.agent, k.at(m), m.Headline, levelWeak)
		}
	}
}

// at returns "commit <sha>".
func (k *classifier) at(m *Commit) string {
	if k.place == "" {
		from := k.places.Len()
		k.places.WriteString("commit ")
		k.places.WriteString(m.SHA)
		k.place = k.places.String()[from:]
	}
	return k.place
}

// identity looks at an author or committer, and returns the agent behind it, if any.
// Everything here is claimed: whoever commits writes name and address, and GitHub finds
// the account by the address. author is the agent that authored the commit, for a committer.
func (k *classifier) identity(id *Identity, role string, author *Agent, m *Commit) *Agent {
	if *id == (Identity{}) {
		return nil
	}
	known := k.reader.identity(id)
	level := func(a *Agent) level {
		switch {
		case role == "author" && a.Kind == KindAgent && len(m.Parents) > 1 && k.openedByPerson:
			return levelAssist // it merged on a person's pull request
		case role == "author":
			return made(a)
		case a == author:
			return levelNone // has said so as the author
		}
		return levelAssist
	}
	note := func(kind string, a *Agent, value string) {
		if a != nil && !(role == "committer" && a.Kind == KindPlatform) { // every squash merge is GitHub's
			k.add(kind, StrengthClaimed, a, k.at(m), value, level(a))
		}
	}
	email, account, name := "author-email", "author-account", "author-name"
	if role == "committer" {
		email, account, name = "committer-email", "committer-account", "committer-name"
	}
	note(email, known.email, id.Email)
	if known.account != nil && known.account != known.email {
		note(account, known.account, k.accountText(id.Account))
	}
	if known.byName != nil {
		// The address is a person's: the tool added itself to the name.
		k.add(name, StrengthClaimed, known.byName, k.at(m), id.Name, levelAssist)
	}
	// Who merges by rebasing becomes the committer; on a pull request it is who made the commit.
	if known.agent() == nil && !(role == "committer" && k.unopened) {
		k.people++
	}
	return known.agent()
}

// ofName returns the agent that marks a person's name as its own.
func (c *Catalogue) ofName(name string) *Agent {
	if len(name) > maxLookupBytes {
		return nil
	}
	for i := range c.authorNames {
		if c.authorNames[i].shape.matches(name) {
			return c.authorNames[i].agent
		}
	}
	return nil
}

// took is the level of a trailer that names an agent. On an automation's commit there is
// no person who could have been assisted.
func (k *classifier) took(a *Agent) level {
	switch {
	case k.byAutomation:
		return levelAgent
	case a.Suggests:
		return levelSuggestion
	}
	return levelAssist
}

// coAuthorKey is the trailer that GitHub shows as a further author.
const coAuthorKey = "Co-authored-by"

// coAuthor looks at a co-author that GitHub read from a trailer.
func (k *classifier) coAuthor(id *Identity, m *Commit) {
	if *id == (Identity{}) {
		return
	}
	agent := k.reader.coAuthor(id)
	if agent == nil {
		k.people++
		return
	}
	text := id.Email
	if text == "" {
		text = k.accountText(id.Account)
	}
	k.add("trailer", StrengthClaimed, agent, k.at(m), coAuthorKey+": "+id.Name+" <"+text+">", k.took(agent))
}

// signature looks at who signed: an agent's key, or GitHub for an agent's account.
func (k *classifier) signature(m *Commit) {
	if m.Signature.State != "valid" {
		return
	}
	signer := m.Signature.Signer
	if m.Signature.ByGitHub {
		// GitHub signs what an App commits through its API as that App, and leaves
		// commits with a made-up author unsigned.
		signer = m.Author.Account
		if signer.ID == 0 {
			return
		}
	}
	if agent, asserted := k.ofActor(signer); asserted && agent.Kind == KindAgent {
		k.add("signature", StrengthSigned, agent, k.at(m), k.accountText(signer), levelAgent)
	}
}

// trailer looks at one trailer or bare line of a commit message.
func (k *classifier) trailer(t *Trailer, m *Commit) {
	known := k.reader.trailer(t)
	switch {
	case known.session != nil:
		k.session(foundText{agent: known.session, text: known.text}, k.at(m))
	case known.agent != nil && t.Key == "":
		k.add("trailer", StrengthClaimed, known.agent, k.at(m), known.text, k.took(known.agent))
	case known.agent != nil:
		k.add("trailer", StrengthClaimed, known.agent, k.at(m), known.text, k.took(known.agent))
	case known.coAuthor:
		k.people++
	}
	for _, s := range known.links {
		k.session(s, k.at(m))
	}
}

// session records a link to a session. One of a tool that runs under a person's account
// shows that the person worked with it; a hosted agent's, that the agent did the work.
func (k *classifier) session(s foundText, where string) {
	l := levelAgent
	if s.agent.Local && !k.byAutomation {
		l = levelAssist
	}
	k.add("session", StrengthLinked, s.agent, where, s.text, l)
}

func (c *Catalogue) trailerKey(key string) *trailerRules {
	if len(key) > maxTrailerKey {
		return nil
	}
	var buf [maxTrailerKey]byte
	return c.trailers[string(appendLower(buf[:0], key))]
}

// inTrailer returns the agent that a trailer names. A value with an address is judged by
// the address (people are called Claude), and only with keys that speak of writing: a
// reviewer or reporter did not write.
func (c *Catalogue) inTrailer(key, name, address string) *Agent {
	rules := c.trailerKey(key)
	if address == "" {
		if rules != nil {
			return firstMatch(rules.values, name)
		}
		return nil
	}
	if len(address) > maxLookupBytes {
		return nil
	}
	if rules != nil {
		var buf [maxLookupBytes]byte
		lower := appendLower(buf[:0], address)
		if agent := firstMatch(rules.mails[string(lower)], name); agent != nil {
			return agent
		}
		if at := strings.LastIndexByte(address, '@'); at >= 0 && len(rules.domains) > 0 {
			if agent := firstMatch(rules.domains[string(lower[at+1:])], name); agent != nil {
				return agent
			}
		}
	}
	for _, writing := range [...]string{"co-authored-by", "co-developed-by", "assisted-by", "generated-by", "made-with", "signed-off-by", "authored-by"} {
		if len(key) == len(writing) && hasPrefixFold(key, writing) {
			return c.ofEmail(address)
		}
	}
	return nil
}

func firstMatch(rules []textRule, text string) *Agent {
	for i := range rules {
		if rules[i].shape.matches(text) {
			return rules[i].agent
		}
	}
	return nil
}

// text looks at branch, title, labels and body.
func (k *classifier) text(t Traces) {
	if len(t.HeadRef) <= maxLookupBytes {
		for i := range k.branches {
			if rule := &k.branches[i]; rule.shape.matches(t.HeadRef) {
				k.add("branch", StrengthWeak, rule.agent, "branch", t.HeadRef, levelWeak)
			}
		}
	}
	for i := range k.titles {
		if rule := &k.titles[i]; strings.HasPrefix(t.Title, rule.prefix) {
			k.add("title", StrengthWeak, rule.agent, "pull request", t.Title, levelWeak)
		}
	}
	for _, label := range t.Labels {
		if agent := k.labels[strings.ToLower(label)]; agent != nil {
			k.add("label", StrengthWeak, agent, "pull request", label, levelWeak)
		}
	}
	found := k.bodyOf(&t)
	for _, m := range found.markers {
		k.add("body", StrengthWeak, m.agent, "body", m.text, levelWeak)
	}
	for _, s := range found.sessions {
		k.session(s, "body")
	}
}

// bodyOf looks at the body, or at what was kept of it.
func (c *Catalogue) bodyOf(t *Traces) bodyTraces {
	if t.markers != nil {
		return tracesOfMarkers(c, t.markers)
	}
	return tracesOfBody(c, t.Body)
}

// conclude weighs the hits.
func (k *classifier) conclude() Classification {
	class := k.class()
	result := Classification{Class: class, Agents: k.agents(class)}
	slices.SortFunc(k.hits, func(a, b hits) int {
		return cmp.Or(cmp.Compare(strengthRank(a.strength), strengthRank(b.strength)), strings.Compare(a.kind, b.kind), strings.Compare(a.agent, b.agent))
	})
	total := 0
	for i := range k.hits {
		total += len(k.hits[i].list)
	}
	result.Signals = make([]Signal, 0, min(total, MaxSignals))
	for _, group := range k.hits {
		slices.SortFunc(group.list, compareHits)
		for i, h := range group.list {
			if i > 0 && compareHits(h, group.list[i-1]) == 0 {
				continue
			}
			if len(result.Signals) == MaxSignals {
				return result
			}
			result.Signals = append(result.Signals, Signal{group.kind, group.strength, group.agent, h.where, h.value})
		}
	}
	return result
}

// class is the table of Classify.
func (k *classifier) class() Class {
	var has [levelAgent + 1]bool
	weak := map[string]bool{}
	for _, group := range k.hits {
		for i := range group.list {
			l := group.list[i].level
			has[l] = true
			if l == levelWeak {
				weak[group.kind] = true
			}
		}
	}
	assisted := has[levelAssist] || weak["body"]
	switch {
	case has[levelAgent], len(weak) > 1:
		return ClassAgent
	case k.openedByAutomation && (assisted || has[levelSuggestion]):
		return ClassAgent // no person's account to have been assisted
	case assisted:
		return ClassAssisted
	case has[levelSuggestion]:
		return ClassSuggestion
	case has[levelAutomation] && k.people == 0:
		return ClassAutomation
	case has[levelPlatform] && k.people == 0:
		return ClassPlatform
	}
	return ClassUndetected
}

// agents names who decided the class.
func (k *classifier) agents(class Class) []string {
	var low, high level
	switch class {
	case ClassAgent, ClassAssisted, ClassSuggestion:
		low, high = levelSuggestion, levelAgent
	case ClassAutomation:
		low, high = levelAutomation, levelAutomation
	case ClassPlatform:
		low, high = levelPlatform, levelPlatform
	default:
		return []string{}
	}
	best := map[string]int{}
	pick := func(low, high level) {
		for _, group := range k.hits {
			rank := strengthRank(group.strength)
			held, ok := best[group.agent]
			if ok && held <= rank {
				continue
			}
			if slices.ContainsFunc(group.list, func(h hit) bool { return h.level >= low && h.level <= high }) {
				best[group.agent] = rank
			}
		}
	}
	if pick(low, high); len(best) == 0 {
		pick(levelWeak, levelWeak) // weak signals alone made the class
	}
	names := make([]string, 0, len(best))
	for name := range best {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(best[a], best[b]), strings.Compare(a, b))
	})
	return names
}

// strengthRank orders the strengths, strongest first.
func strengthRank(s Strength) int {
	switch s {
	case StrengthAsserted:
		return 0
	case StrengthSigned:
		return 1
	case StrengthLinked:
		return 2
	case StrengthClaimed:
		return 3
	}
	return 4
}

// compareHits orders the hits of a group.
func compareHits(a, b hit) int {
	if a.where != b.where {
		return strings.Compare(a.where, b.where)
	}
	return strings.Compare(a.value, b.value)
}
