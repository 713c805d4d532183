package ghsim

import (
	"crypto/rsa"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The builder tells the story of a world: who is there, what they push, review, run and
// merge. What cannot be in the story (a branch that does not exist, a push that the
// branch refuses) is a mistake of the story and panics; methods whose refusal is the
// point (TryPush, Merge, Enqueue) return an error that names what blocks.

// Actor is somebody who can act: a *User, or an *App through its bot account.
type Actor interface{ actsAs() *account }

// User is a person's account, a machine account, or GitHub's own.
type User struct {
	s *Sim
	a *account
}

// UserSpec describes an account.
type UserSpec struct {
	Login string
	ID    int64  // 0: made up
	Name  string // the name in commits; "" is the login
	Email string // commits with this e-mail are linked to the account, besides its noreply address
	Type  string // "" is "User"; also "Bot", "Mannequin"
}

func (u *User) actsAs() *account { return u.a }

// ID is the account's numeric id.
func (u *User) ID() int64 { return u.a.id }

// Login is the account's login.
func (u *User) Login() string { return u.a.login }

// User returns the account with the login and makes it when there is none.
func (s *Sim) User(login string) *User { return s.UserOf(UserSpec{Login: login}) }

// UserOf returns the account of the spec and makes it when there is none. Of one that is
// there already only the login is looked at.
func (s *Sim) UserOf(spec UserSpec) *User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.account(spec.Login); a != nil {
		return &User{s, a}
	}
	if spec.Type == "" {
		spec.Type = "User"
	}
	return &User{s, s.addAccount(spec.ID, spec.Login, spec.Name, spec.Email, spec.Type)}
}

// Token makes a personal access token, with which the account can use the APIs.
func (u *User) Token() string {
	u.s.mu.Lock()
	defer u.s.mu.Unlock()
	t := &token{value: u.s.secret("ghp_"), user: u.a}
	u.s.tokens[t.value] = t
	return t.value
}

func (s *Sim) addAccount(id int64, login, name, email, kind string) *account {
	if id == 0 {
		id = s.nextID()
	}
	if s.accounts[id] != nil || s.account(login) != nil {
		panic(fmt.Sprintf("ghsim: account %s (%d) exists already", login, id))
	}
	a := &account{id: id, login: login, name: name, email: email, kind: kind, createdAt: s.now()}
	s.accounts[id], s.logins[strings.ToLower(login)] = a, a
	return a
}

// byEmail is the account that GitHub links to an e-mail address; nil: none.
func (s *Sim) byEmail(email string) *account {
	if rest, ok := strings.CutSuffix(strings.ToLower(email), "@users.noreply.github.com"); ok {
		_, login, found := strings.Cut(rest, "+")
		if !found {
			login = rest
		}
		return s.account(login)
	}
	for _, a := range s.accounts {
		if a.email != "" && strings.EqualFold(a.email, email) {
			return a
		}
	}
	return nil
}

// coauthors reads the Co-authored-by trailers of a message.
func (s *Sim) coauthors(message string) []identity {
	var list []identity
	for line := range strings.SplitSeq(message, "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || !strings.EqualFold(strings.TrimSpace(key), "co-authored-by") {
			continue
		}
		name, rest, ok := strings.Cut(value, "<")
		email, _, closed := strings.Cut(rest, ">")
		if ok && closed {
			list = append(list, identity{name: strings.TrimSpace(name), email: email, account: s.byEmail(email)})
		}
	}
	return list
}

// addPlatform makes GitHub's own accounts and the App of GitHub Actions.
func (s *Sim) addPlatform() {
	github := s.addAccount(9919, "github", "GitHub", "", "Organization")
	s.addAccount(19864447, "web-flow", "GitHub Web Flow", "noreply@github.com", "User")
	s.addAccount(118344674, "github-merge-queue[bot]", "", "", "Bot")
	s.newApp(AppSpec{ID: actionsAppID, Slug: "github-actions", Name: "GitHub Actions", UserID: 41898282}, github)
}

// Org is an organisation.
type Org struct {
	s *Sim
	o *org
}

// Org returns the organisation and makes it when there is none.
func (s *Sim) Org(login string) *Org {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.account(login); a != nil {
		return &Org{s, s.orgs[a.id]}
	}
	a := s.addAccount(0, login, "", "", "Organization")
	s.orgs[a.id] = &org{account: a, members: map[int64]string{}, roles: map[string]string{}}
	return &Org{s, s.orgs[a.id]}
}

// ID is the numeric id of the organisation's account.
func (o *Org) ID() int64 { return o.o.account.id }

// Login is the organisation's login.
func (o *Org) Login() string { return o.o.account.login }

// Owner makes the accounts owners of the organisation.
func (o *Org) Owner(users ...*User) *Org { return o.join("admin", users) }

// Member makes the accounts members of the organisation.
func (o *Org) Member(users ...*User) *Org { return o.join("member", users) }

func (o *Org) join(role string, users []*User) *Org {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	for _, u := range users {
		o.o.members[u.a.id] = role
	}
	return o
}

// CustomRole defines a repository role of the organisation that stands on a built-in one.
func (o *Org) CustomRole(name, base string) *Org {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	o.o.roles[name] = base
	return o
}

// Team is a team of an organisation.
type Team struct {
	s *Sim
	t *team
}

// ID is the team's numeric id.
func (t *Team) ID() int64 { return t.t.id }

// Team returns the team and makes it when there is none; the accounts join it and the
// organisation.
func (o *Org) Team(slug string, members ...*User) *Team {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	at := slices.IndexFunc(o.o.teams, func(t *team) bool { return t.slug == slug })
	if at < 0 {
		at = len(o.o.teams)
		o.o.teams = append(o.o.teams, &team{id: o.s.nextID(), slug: slug, name: slug, org: o.o})
	}
	t := o.o.teams[at]
	for _, u := range members {
		if !t.has(u.a) {
			t.members = append(t.members, u.a)
		}
		if o.o.members[u.a.id] == "" {
			o.o.members[u.a.id] = "member"
		}
	}
	return &Team{o.s, t}
}

// App is a GitHub App.
type App struct {
	s *Sim
	a *app
}

// AppSpec describes an App.
type AppSpec struct {
	ID       int64 // 0: made up
	Slug     string
	Name     string // "" is the slug
	UserID   int64  // of its bot account; 0: made up
	BotLogin string // "" is "slug[bot]"; Copilot's agent acts as "Copilot"
	// Permissions and Events are what the App asks for. Nil permissions: read on
	// everything, write on contents, pull requests, checks, statuses and issues.
	Permissions map[string]string
	Events      []string
	HookURL     string
	HookSecret  string
	Key         *rsa.PrivateKey // nil: made at the first call of PrivateKey
}

// agentPermissions are what a typical coding agent asks for.
var agentPermissions = map[string]string{"metadata": "read", "contents": "write", "pull_requests": "write", "checks": "write",
	"statuses": "write", "issues": "write", "actions": "read", "workflows": "write"}

// App makes a GitHub App; of one whose slug is there already only the slug is looked at.
func (s *Sim) App(spec AppSpec) *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if a.slug == spec.Slug {
			return &App{s, a}
		}
	}
	return &App{s, s.newApp(spec, s.account("github"))}
}

// Actions is GitHub Actions, App 15368.
func (s *Sim) Actions() *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &App{s, s.apps[actionsAppID]}
}

func (s *Sim) newApp(spec AppSpec, owner *account) *app {
	if spec.ID == 0 {
		spec.ID = s.nextID()
	}
	if spec.Name == "" {
		spec.Name = spec.Slug
	}
	if spec.BotLogin == "" {
		spec.BotLogin = spec.Slug + "[bot]"
	}
	if spec.Permissions == nil {
		spec.Permissions = agentPermissions
	}
	bot := s.account(spec.BotLogin)
	if bot == nil {
		bot = s.addAccount(spec.UserID, spec.BotLogin, "", "", "Bot")
	}
	a := &app{id: spec.ID, slug: spec.Slug, name: spec.Name, owner: owner, bot: bot, permissions: maps.Clone(spec.Permissions),
		events: slices.Clone(spec.Events), hookURL: spec.HookURL, hookSecret: spec.HookSecret, key: spec.Key, createdAt: s.now()}
	bot.app = a
	s.apps[a.id] = a
	return a
}

func (a *App) actsAs() *account { return a.a.bot }

// ID is the App's id, Slug its slug, BotID the numeric id of its bot account.
func (a *App) ID() int64     { return a.a.id }
func (a *App) Slug() string  { return a.a.slug }
func (a *App) BotID() int64  { return a.a.bot.id }
func (a *App) Login() string { return a.a.bot.login }

// PrivateKey is the App's key in PEM, made at the first call.
func (a *App) PrivateKey() ([]byte, error) {
	fresh, err := a.freshKey()
	if err != nil {
		return nil, err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.a.key == nil {
		a.a.key = fresh
	}
	return encodeKey(a.a.key), nil
}

// ReplaceKey gives the App another key; the one before is not accepted any more.
func (a *App) ReplaceKey() error {
	key, err := a.s.newKey()
	if err != nil {
		return err
	}
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.a.key = key
	return nil
}

// freshKey makes a key when the App has none; without the lock, since it takes a while.
func (a *App) freshKey() (*rsa.PrivateKey, error) {
	a.s.mu.Lock()
	has := a.a.key != nil
	a.s.mu.Unlock()
	if has {
		return nil, nil
	}
	return a.s.newKey()
}

// Hook sets where the App's webhooks go, the secret that signs them, and, unless none are
// given, the events that it subscribes to, in its installations too.
func (a *App) Hook(url, secret string, events ...string) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.a.hookURL, a.a.hookSecret = url, secret
	if len(events) == 0 {
		return
	}
	a.a.events = events
	for _, i := range a.s.installs {
		if i.app == a.a {
			i.events = events
		}
	}
}

// MisconfigureHook sets the App's webhook to send forms, and to look at no certificate, as far as
// its settings show.
func (a *App) MisconfigureHook(form, insecure bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.a.hookForm, a.a.hookInsecure = form, insecure
}

// Ask changes one permission that the App asks for ("" takes it away), and whether it subscribes to
// an event. Installations keep what they were granted.
func (a *App) Ask(permission, level, event string, subscribe bool) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.a.permissions = maps.Clone(a.a.permissions)
	a.a.permissions[permission] = level
	if level == "" {
		delete(a.a.permissions, permission)
	}
	a.a.events = slices.DeleteFunc(slices.Clone(a.a.events), func(e string) bool { return e == event })
	if subscribe {
		a.a.events = append(a.a.events, event)
	}
}

// Installation is an App on an organisation.
type Installation struct {
	s *Sim
	i *installation
}

// Install installs the App on the organisation: on the given repositories, or on all. An
// installation that is there already is returned as it is.
func (a *App) Install(o *Org, on ...*Repo) *Installation {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	return &Installation{a.s, a.s.install(a.a, o.o.account, on)}
}

func (s *Sim) install(a *app, target *account, on []*Repo) *installation {
	for _, i := range s.installs {
		if i.app == a && i.target == target {
			return i
		}
	}
	i := &installation{id: s.nextID(), app: a, target: target, permissions: maps.Clone(a.permissions), events: slices.Clone(a.events), createdAt: s.now()}
	i.updatedAt = i.createdAt
	if len(on) > 0 {
		i.selected = map[int64]bool{}
		for _, r := range on {
			i.selected[r.r.id] = true
		}
	}
	s.installs[i.id] = i
	s.emitInstallation(i, "created", target)
	return i
}

// ID is the installation's id.
func (i *Installation) ID() int64 { return i.i.id }

// Token makes an installation access token, without the App's key.
func (i *Installation) Token() string {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	return i.s.newToken(i.i, nil, nil).value
}

// TokenState is an installation access token that was asked for over the API.
type TokenState struct {
	Permissions  map[string]string
	Repositories []int64 // ids, sorted; nil: all of the installation
	// Used is what of the permissions was needed by what was asked with it.
	Used map[string]string
}

// Tokens are the installation's tokens that were asked for over the API, in no order.
func (i *Installation) Tokens() []TokenState {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	var list []TokenState
	for _, t := range i.s.tokens {
		if t.installation == i.i && t.asked {
			list = append(list, TokenState{maps.Clone(t.permissions), slices.Sorted(maps.Keys(t.selected)), maps.Clone(t.used)})
		}
	}
	return list
}

// Grant changes one permission of the installation ("" takes it away). Tokens already
// made keep what they had, as on GitHub, where they live for an hour.
func (i *Installation) Grant(permission, level string) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.i.permissions = maps.Clone(i.i.permissions) // tokens share the old map
	i.i.permissions[permission] = level
	if level == "" {
		delete(i.i.permissions, permission)
	}
	i.i.updatedAt = i.s.now()
	i.s.emitInstallation(i.i, "new_permissions_accepted", i.i.target)
}

// AddRepositories and RemoveRepositories change which repositories are selected.
func (i *Installation) AddRepositories(repos ...*Repo) { i.selectRepos("added", repos) }

// RemoveRepositories takes repositories out of the selection.
func (i *Installation) RemoveRepositories(repos ...*Repo) { i.selectRepos("removed", repos) }

func (i *Installation) selectRepos(action string, repos []*Repo) {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	selected := map[int64]bool{} // a new map: tokens and answers may hold the old one
	for _, r := range i.s.reposOf(i.i.target) {
		selected[r.id] = i.i.covers(r)
	}
	lists := map[string][]obj{"added": {}, "removed": {}}
	for _, r := range repos {
		selected[r.r.id] = action == "added"
		lists[action] = append(lists[action], i.s.renderInstalledRepo(r.r))
	}
	i.i.selected, i.i.updatedAt = selected, i.s.now()
	i.s.emit(event{name: "installation_repositories", action: action, target: i.i.target, only: i.i.app, sender: i.i.target, body: func() obj {
		return obj{"installation": i.s.renderInstallation(i.i), "repository_selection": "selected", "requester": nil,
			"repositories_added": lists["added"], "repositories_removed": lists["removed"]}
	}})
}

// EndTokens ends the tokens of the installation, as an hour does.
func (i *Installation) EndTokens() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.endTokens(i.i)
}

func (s *Sim) endTokens(i *installation) {
	for value, t := range s.tokens {
		if t.installation == i {
			delete(s.tokens, value)
		}
	}
}

// Remove uninstalls the App: its tokens end, and nothing is visible any more.
func (i *Installation) Remove() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.emitInstallation(i.i, "deleted", i.i.target)
	delete(i.s.installs, i.i.id)
	i.s.endTokens(i.i)
}

// Suspend suspends the installation: nothing is visible and no events come.
func (i *Installation) Suspend() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.s.emitInstallation(i.i, "suspend", i.i.target)
	i.i.suspendedAt = i.s.now()
}

// Unsuspend ends a suspension.
func (i *Installation) Unsuspend() {
	i.s.mu.Lock()
	defer i.s.mu.Unlock()
	i.i.suspendedAt = zeroTime
	i.s.emitInstallation(i.i, "unsuspend", i.i.target)
}

// Token makes an installation access token of the App on the organisation, where it is
// installed if it was not: the short way for agents that act over HTTP.
func (a *App) Token(o *Org) string { return a.Install(o).Token() }

// Deliveries lists the App's webhook deliveries, oldest first.
func (a *App) Deliveries() []Delivery {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	var out []Delivery
	for _, d := range a.a.deliveries {
		out = append(out, Delivery{ID: d.id, GUID: d.guid, Event: d.event, Action: d.action, Redelivery: d.redelivery, Done: d.done,
			StatusCode: d.statusCode, Status: d.status, At: d.deliveredAt, Duration: d.duration, Payload: d.payload})
	}
	return out
}

// Delivery is one attempt to deliver a webhook.
type Delivery struct {
	ID         int64
	GUID       string // X-GitHub-Delivery, shared by all attempts
	Event      string
	Action     string
	Redelivery bool
	Done       bool // the attempt has ended; the next fields are set
	StatusCode int  // 0: no answer
	Status     string
	At         time.Time
	Duration   time.Duration
	Payload    []byte
}
