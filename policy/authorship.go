package policy

import (
	"cmp"
	"slices"
	"strings"
)

// The roles of a Member. Those that begin with "claimed" rest on text that anyone can write.
const (
	RoleAuthor           = "author"        // opened the pull request
	RoleCommitAuthor     = "commit author" // of at least one commit
	RoleCoAuthor         = "co-author"
	RoleSuggested        = "suggested lines" // co-author of a commit that GitHub made of review suggestions
	RoleCommitter        = "committer"       // GitHub itself left out
	RolePusher           = "pusher"
	RoleAssigned         = "assigned the agent"
	RoleCalled           = "called the agent"              // in a comment, or on an issue that the change closes
	RoleClaimedCoAuthor  = "claimed: co-author"            // of an agent's commit: who asked for it
	RoleClaimedRequester = "claimed: requested by"         // in the body
	RoleClaimedAssignee  = "claimed: assigned by an agent" // an agent handed the change to them
)

// AuthorshipOf says who is behind a change: its class, its authors, and who asked for it.
//
// The author set is everyone who opened, wrote, co-wrote, committed or pushed it, agents
// too; GitHub's own accounts are left out.
//
// Initiators are looked for when an agent took part (classes agent and assisted). They are
// known when GitHub asserts one: the person who opened the pull request, or who assigned
// it (or its issue) to the agent, or who pushed, where no agent opened or pushed it
// itself. A person who pushed to an agent's pull request need not be who asked for it.
// Claims (co-authors of an agent's commits, "Requested by @login") add people and never
// make the initiator known. So do calls: who mentioned the agent on the pull request before
// something was pushed, or on an issue that the change closes, or assigned it to the agent.
// GitHub asserts who called; that this change came of it, only the writer of the pull
// request's body does. Nobody's word does where GitHub Actions made the change.
//
// An update that left the change as it was, file by file, makes nobody its author: neither who
// pushed it nor who made its commits. The class rests on everything all the same.
func AuthorshipOf(c *Catalogue, f *Facts) Authorship {
	t := TracesOf(f)
	r := &reader{Catalogue: c}
	found := classify(r, t)
	a := Authorship{
		Class: found.Class, Agents: found.Agents, Signals: found.Signals,
		Authors: []Member{}, Initiators: []Member{}, InitiatorKnown: true,
	}
	content := contentOf(f, t)
	a.Authors = authorsOf(r, f, &content)
	if found.Class == ClassAgent || found.Class == ClassAssisted {
		a.Initiators, a.InitiatorKnown = initiatorsOf(r, f, &content, &t)
	}
	if runByAnybody(r, &t) {
		a.InitiatorKnown = false
	}
	return a
}

// runByAnybody reports whether GitHub Actions pushed to a change that no person opened
// what no person had pushed, or opened one that nobody is known to have pushed. It does
// what a workflow says, and on a branch of their own everybody who may push writes
// workflows.
func runByAnybody(r *reader, t *Traces) bool {
	actions := func(a Actor) bool {
		agent := r.OfActor(a)
		return agent != nil && slices.Contains(agent.Apps, actionsSlug)
	}
	byPerson := map[string]bool{} // heads that a person pushed
	for i := range t.Pushes {
		if p := &t.Pushes[i]; isPerson(r, p.Pusher) {
			byPerson[p.After] = true
		}
	}
	for i := range t.Pushes {
		if p := &t.Pushes[i]; actions(p.Pusher) && !byPerson[p.After] && !isPerson(r, t.Author) {
			return true
		}
	}
	return actions(t.Author) && len(byPerson) == 0
}

// Is reports whether the member is, or may be, the account a. A member that GitHub
// asserts is compared by id; one that is only claimed also by login and by the id in an
// address of GitHub's. It errs to the side of yes, which keeps a from approving.
func (m Member) Is(a Actor) bool {
	if m.Actor.ID != 0 {
		return m.Actor.ID == a.ID
	}
	if m.Actor.Login != "" && strings.EqualFold(bareLogin(m.Actor.Login), bareLogin(a.Login)) {
		return true
	}
	id, login, ok := noreply(m.Email)
	if !ok {
		return false
	}
	if id != 0 {
		return id == a.ID
	}
	return strings.EqualFold(bareLogin(login), bareLogin(a.Login))
}

func bareLogin(login string) string { return strings.TrimSuffix(login, "[bot]") }

// memberKey is what makes two mentions one member: the id, else the address, else the login.
type memberKey struct {
	id   int64
	text string
}

// members collects members and their roles.
type members struct {
	at   map[memberKey]int
	list []Member
	// last is what was entered last: in many commits it comes again.
	last entry
}

// entry is an account or claimed identity in a role.
type entry struct {
	actor       Actor
	email, role string
}

// add enters an account, or a claimed identity, in a role.
func (m *members) add(a Actor, email, role string) {
	if this := (entry{a, email, role}); this != m.last {
		m.last = this
		m.enter(a, email, role)
	}
}

func (m *members) enter(a Actor, email, role string) {
	key := memberKey{id: a.ID}
	if a.ID == 0 {
		if email == "" && a.Login == "" {
			return
		}
		if key.text = strings.ToLower(email); email == "" {
			key.text = "@" + strings.ToLower(a.Login)
		}
	} else {
		email = "" // the account says it better
	}
	i, known := m.at[key]
	if !known {
		if m.at == nil {
			m.at = map[memberKey]int{}
		}
		i = len(m.list)
		m.at[key] = i
		m.list = append(m.list, Member{Actor: a, Email: cut(email, maxValueBytes), Roles: []string{role}})
		return
	}
	held := &m.list[i]
	if held.Actor.Login == "" || a.Login != "" && a.Login < held.Actor.Login {
		held.Actor.Login = a.Login // one of them, whatever the order
	}
	if held.Actor.Type == "" {
		held.Actor.Type = a.Type
	}
	if !slices.Contains(held.Roles, role) {
		held.Roles = append(held.Roles, role)
	}
}

// sorted returns the members by id, address and login, each with its roles sorted.
func (m *members) sorted() []Member {
	for i := range m.list {
		slices.Sort(m.list[i].Roles)
	}
	slices.SortFunc(m.list, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Actor.ID, b.Actor.ID), strings.Compare(a.Email, b.Email), strings.Compare(a.Actor.Login, b.Actor.Login))
	})
	if m.list == nil {
		return []Member{}
	}
	return m.list
}

// authorsOf collects everyone behind the change.
func authorsOf(r *reader, f *Facts, t *Traces) []Member {
	var set members
	set.add(t.Author, "", RoleAuthor)
	var author, committer Identity // of the commit before: most often the same
	for i := range t.Commits {
		m := &t.Commits[i]
		if m.Author != author {
			author = m.Author
			set.identity(r, &author, RoleCommitAuthor)
		}
		if m.Committer != committer {
			committer = m.Committer
			set.identity(r, &committer, RoleCommitter)
		}
		eachCoAuthor(r, m, func(id *Identity) {
			role := RoleCoAuthor
			if suggested(r, f, m, id) {
				role = RoleSuggested
			}
			set.identity(r, id, role)
		})
	}
	for i := range t.Pushes {
		if agent := r.OfActor(t.Pushes[i].Pusher); agent == nil || agent.Kind != KindPlatform {
			set.add(t.Pushes[i].Pusher, "", RolePusher)
		}
	}
	return set.sorted()
}

// suggested reports whether a co-author wrote a review suggestion that a person accepted: it
// is a reviewer of this pull request, by id, and GitHub itself made and signed the commit. The
// co-author of an agent's commit is who asked for it.
func suggested(r *reader, f *Facts, m *Commit, id *Identity) bool {
	return id.Account.ID != 0 && isPerson(r, m.Author.Account) && r.identity(&m.Author).agent() == nil && m.Signature.ByGitHub && m.Signature.State == "valid" && r.identity(&m.Committer).platform() &&
		slices.ContainsFunc(f.Reviews.Items, func(v Review) bool { return v.Actor.ID == id.Account.ID })
}

// identity enters a git identity, unless it is GitHub itself.
func (m *members) identity(r *reader, id *Identity, role string) {
	if !r.identity(id).platform() {
		m.add(id.Account, id.Email, role)
	}
}

// eachCoAuthor calls see for every co-author of a commit: those that GitHub linked to an
// account, and those whose trailer it did not read.
func eachCoAuthor(r *reader, m *Commit, see func(*Identity)) {
	for i := range m.CoAuthors {
		see(&m.CoAuthors[i])
	}
	for i := range m.Trailers {
		t := r.trailer(&m.Trailers[i])
		if !t.coAuthor || m.hasCoAuthor(t.address) {
			continue
		}
		id := Identity{Name: t.name, Email: t.address}
		if strings.EqualFold(id.Email, m.Author.Email) {
			id.Account = m.Author.Account
		}
		see(&id)
	}
}

// hasCoAuthor reports whether GitHub read a co-author with this address.
func (m *Commit) hasCoAuthor(email string) bool {
	for i := range m.CoAuthors {
		if strings.EqualFold(m.CoAuthors[i].Email, email) {
			return true
		}
	}
	return false
}

// initiatorsOf collects the people who asked an agent for the change: t are the traces of what
// it consists of, all includes later updates. known is true when GitHub asserts one of them.
func initiatorsOf(r *reader, f *Facts, t, all *Traces) (list []Member, known bool) {
	var set members
	agentActed := isAgent(r, t.Author)
	for i := range t.Pushes {
		agentActed = agentActed || isAgent(r, t.Pushes[i].Pusher)
	}
	if isPerson(r, t.Author) {
		set.add(t.Author, "", RoleAuthor)
		known = true
	}
	for i := range t.Pushes {
		if p := t.Pushes[i].Pusher; isPerson(r, p) {
			set.add(p, "", RolePusher)
			known = known || !agentActed
		}
	}
	for _, as := range f.Assignments.Items {
		switch {
		case as.Removed:
		case isPerson(r, as.By) && isAgent(r, as.Assignee):
			set.add(as.By, "", RoleAssigned)
			// Of a list with gaps we may have the wrong one.
			known = known || f.Assignments.Complete
		case isPerson(r, as.Assignee) && isAgent(r, as.By):
			set.add(as.Assignee, "", RoleClaimedAssignee)
		}
	}
	for _, call := range f.Calls {
		if isPerson(r, call.By) && (call.Number != f.Change.Number || pushedAfter(t, call.Seq)) {
			set.add(call.By, "", RoleCalled)
		}
	}
	claimedInitiators(r, t, &set)
	claimedInitiators(r, all, &set)
	return set.sorted(), known
}

// pushedAfter reports whether anything was pushed after a moment, or that is not known. What
// was there before nobody asked for then.
func pushedAfter(t *Traces, seq int64) bool {
	return len(t.Pushes) == 0 || slices.ContainsFunc(t.Pushes, func(p Push) bool { return p.Seq > seq })
}

// claimedInitiators adds those of whom only a text says that they asked.
func claimedInitiators(r *reader, t *Traces, set *members) {
	for i := range t.Commits {
		m := &t.Commits[i]
		if author := r.identity(&m.Author).agent(); author == nil || author.Kind != KindAgent {
			continue
		}
		eachCoAuthor(r, m, func(id *Identity) {
			if r.coAuthor(id) == nil {
				set.add(id.Account, id.Email, RoleClaimedCoAuthor)
			}
		})
	}
	for _, login := range r.bodyOf(t).requesters {
		set.add(Actor{Login: login}, "", RoleClaimedRequester)
	}
}

// isAgent reports whether GitHub asserts an account as an agent, or a bot nobody listed.
func isAgent(r *reader, a Actor) bool {
	agent := r.OfActor(a)
	return agent != nil && agent.Kind == KindAgent
}

// isPerson reports whether an account is a user's, and none that the catalogue knows.
func isPerson(r *reader, a Actor) bool {
	return (a.Type == TypeUser || a.Type == TypeEnterpriseUser) && a.ID != 0 && r.OfActor(a) == nil
}
