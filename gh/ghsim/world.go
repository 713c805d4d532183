package ghsim

import (
	"crypto/rsa"
	"strings"
	"time"
)

// account is a user, a bot or an organisation: anything with a login.
type account struct {
	id        int64
	login     string // as REST writes it: a bot's ends in "[bot]"
	name      string // the profile's name; "" is null
	email     string // commits with this e-mail are linked to the account
	kind      string // "User", "Bot", "Organization" or "Mannequin"
	app       *app   // of a bot: its App
	createdAt time.Time
}

// graphLogin is the login as GraphQL writes it: without the "[bot]" suffix.
func (a *account) graphLogin() string { return strings.TrimSuffix(a.login, "[bot]") }

// noreply is the e-mail that GitHub gives the account for its commits.
func (a *account) noreply() string {
	return decimal(a.id) + "+" + a.login + "@users.noreply.github.com"
}

// org is an organisation: what its account owns.
type org struct {
	account  *account
	repos    []*repo
	teams    []*team
	members  map[int64]string  // account id -> "admin" (owner) or "member"
	rulesets []*ruleset        // of the organisation level
	roles    map[string]string // custom repository roles: name -> built-in role that it stands on
}

// team is a team of an organisation.
type team struct {
	id      int64
	slug    string
	name    string
	org     *org
	members []*account
}

// app is a GitHub App.
type app struct {
	id          int64
	slug        string
	name        string
	owner       *account
	bot         *account // the account "slug[bot]" that acts for the App
	permissions map[string]string
	events      []string // subscribed; installation events come anyway
	hookURL     string   // "" when the App has no active webhook
	hookSecret  string
	// hookForm is a webhook that is set to send forms, hookInsecure one that looks at no certificate.
	// That is all that is simulated of them: what is sent is JSON.
	hookForm, hookInsecure bool

	key        *rsa.PrivateKey // nil until the App is given one; JWTs are verified with its public half
	createdAt  time.Time
	signIn     *signingIn  // nil: the App signs nobody in
	deliveries []*delivery // every attempt, oldest first; kept in the world, sent by senders
}

func (a *app) hookContentType() string {
	if a.hookForm {
		return "form"
	}
	return "json"
}

// installation is an App on an account.
type installation struct {
	id          int64
	app         *app
	target      *account
	permissions map[string]string // what the account granted: may be less than what the App asks for
	events      []string
	selected    map[int64]bool // repository ids; nil: all repositories
	suspendedAt time.Time      // zero: active
	createdAt   time.Time
	updatedAt   time.Time
}

// covers says whether the installation may see the repository.
func (i *installation) covers(r *repo) bool {
	return i.target == r.owner && i.suspendedAt.IsZero() && (i.selected == nil || i.selected[r.id])
}

// token is a credential: an installation's, a user's own, or a user's for an App.
type token struct {
	value        string
	installation *installation // of an installation access token
	user         *account      // of a personal token or a user access token
	app          *app          // of a user access token
	refresh      string        // the refresh token beside it; "" when it never expires
	refreshUntil time.Time
	permissions  map[string]string // of an installation access token: may be narrowed
	selected     map[int64]bool    // narrowed repositories; nil: those of the installation
	asked        bool              // for over the API
	used         map[string]string // of permissions, what was needed by what was asked with it
	expiresAt    time.Time         // zero: never
}

// viewer is who asks: the result of reading the Authorization header. It is made per
// request and passed to everything that renders, REST and GraphQL alike.
type viewer struct {
	app          *app          // authenticated as the App itself (JWT)
	client       *app          // authenticated with the App's client id and secret
	installation *installation // authenticated with an installation access token
	token        *token
	user         *account // a person with a token, or the bot of the installation
	// stale is how many head changes of each pull request the answer to this request does
	// not know about yet (Faults: reads behind the webhooks). Use Sim.headOf for the head.
	stale int
}

// throughApp is the App of a user access token; nil with other credentials.
func (v *viewer) throughApp() *app {
	if v.token == nil {
		return nil
	}
	return v.token.app
}

// anonymous says that the request carried no credentials.
func (v *viewer) anonymous() bool { return v.app == nil && v.user == nil }

// reaches says whether an App's token is good for the repository.
func (v *viewer) reaches(r *repo) bool {
	return v.installation.covers(r) && (v.token.selected == nil || v.token.selected[r.id])
}

// granted says whether an App's token has the permission, and notes that it was needed.
func (v *viewer) granted(permission, level string) bool {
	if rank[v.token.permissions[permission]] < rank[level] {
		return false
	}
	if rank[level] > rank[v.token.used[permission]] {
		if v.token.used == nil {
			v.token.used = map[string]string{}
		}
		v.token.used[permission] = level
	}
	return true
}

// rank orders permission levels.
var rank = map[string]int{"": 0, "none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}

// canSee says whether the repository exists for the viewer. When it does not, GitHub
// answers 404 (REST) or null with an error of type NOT_FOUND (GraphQL).
func (s *Sim) canSee(v *viewer, r *repo) bool {
	switch {
	case v.installation != nil:
		return !r.private || v.reaches(r)
	case v.user != nil:
		return !r.private || rank[s.role(r, v.user)] >= rank["read"] && s.lets(v, r.owner, r, "metadata", "read")
	}
	return !r.private
}

// can says whether the viewer has the permission (for example "checks") at the level
// "read" or "write" on the repository. A person's come from the role on the repository;
// an App's from the token and the installation. Public repositories give everybody
// read on everything but administration.
func (s *Sim) can(v *viewer, r *repo, permission, level string) bool {
	if !s.canSee(v, r) {
		return false
	}
	if level == "read" && !r.private && permission != "administration" {
		return true
	}
	if v.installation != nil {
		return v.reaches(r) && v.granted(permission, level)
	}
	if v.user == nil || !s.lets(v, r.owner, r, permission, level) {
		return false
	}
	role := rank[s.role(r, v.user)]
	switch {
	case permission == "administration":
		return role >= rank["admin"]
	case permission == "checks" && level == "write":
		return false // only Apps write check runs
	}
	return role >= rank[level]
}

// lets says whether the App of a user access token has the permission, on the account or on one of
// its repositories (nil: the account). With other credentials nothing stands between.
func (s *Sim) lets(v *viewer, target *account, r *repo, permission, level string) bool {
	if v.throughApp() == nil {
		return true
	}
	for _, i := range s.installs {
		if i.app == v.throughApp() && i.target == target && (r == nil && i.suspendedAt.IsZero() || r != nil && i.covers(r)) {
			return rank[i.permissions[permission]] >= rank[level]
		}
	}
	return false
}

// canOrg is can for permissions on an organisation, for example "members".
func (s *Sim) canOrg(v *viewer, o *org, permission, level string) bool {
	if v.installation != nil {
		return v.installation.target == o.account && v.granted(permission, level)
	}
	if v.user == nil || !s.lets(v, o.account, nil, permission, level) {
		return false
	}
	role := o.members[v.user.id]
	return role == "admin" || (role == "member" && permission == "members" && level == "read")
}

// role is the account's role on the repository: "admin", "maintain", "write", "triage",
// "read" or "none". The highest of organisation ownership, collaboration, teams, the
// organisation's base permission and, for a bot, the permission contents of its
// installation. A suspended or unrelated account on a public repository has "read".
func (s *Sim) role(r *repo, a *account) string {
	if own := s.ownRole(r, a); own != "none" || r.private {
		return own
	}
	return "read"
}

// ownRole is role without what everybody has on a public repository.
func (s *Sim) ownRole(r *repo, a *account) string {
	best := "none"
	raise := func(role string) {
		if rank[role] > rank[best] {
			best = role
		}
	}
	if a == r.owner {
		raise("admin")
	}
	if o := s.orgs[r.owner.id]; o == nil || o.roles[r.collaborators[a.id]] == "" {
		raise(r.collaborators[a.id])
	} else {
		raise(o.roles[r.collaborators[a.id]])
	}
	if o := s.orgs[r.owner.id]; o != nil {
		switch o.members[a.id] {
		case "admin":
			raise("admin")
		case "member":
			raise("read")
		}
		for t, role := range r.teams {
			if t.has(a) {
				raise(role)
			}
		}
	}
	if a.app != nil {
		for _, i := range s.installs {
			if i.app == a.app && i.covers(r) && a.app.bot == a {
				raise(i.permissions["contents"])
			}
		}
	}
	return best
}

// roleName is role, or the name of the custom role that gives it.
func (s *Sim) roleName(r *repo, a *account) string {
	role := s.role(r, a)
	if o := s.orgs[r.owner.id]; o != nil && o.roles[r.collaborators[a.id]] == role {
		return r.collaborators[a.id]
	}
	return role
}

// has says whether the account is a member of the team.
func (t *team) has(a *account) bool {
	for _, m := range t.members {
		if m == a {
			return true
		}
	}
	return false
}

// account returns the account with the login ("[bot]" included), nil when there is none.
func (s *Sim) account(login string) *account { return s.logins[strings.ToLower(login)] }

// repository returns the repository, following renames; nil when there is none.
func (s *Sim) repository(owner, name string) *repo {
	return s.repoName[strings.ToLower(owner+"/"+name)]
}
