package ghsim

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// manifest is the part of an App's manifest that is simulated.
type manifest struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	Hook struct {
		URL string `json:"url"`
	} `json:"hook_attributes"`
	RedirectURL string            `json:"redirect_url"`
	Callbacks   []string          `json:"callback_urls"`
	Permissions map[string]string `json:"default_permissions"`
	Events      []string          `json:"default_events"`
}

// registerPage shows what is about to be registered, as somebody who owns the organisation.
func (s *Sim) registerPage(w http.ResponseWriter, r *http.Request) {
	var m manifest
	if err := json.Unmarshal([]byte(r.PostFormValue("manifest")), &m); err != nil {
		http.Error(w, "The manifest does not parse.", http.StatusUnprocessableEntity)
		return
	}
	show(w, "register", map[string]string{"Name": m.Name, "Org": r.PathValue("org"), "Manifest": r.PostFormValue("manifest"), "State": r.URL.Query().Get("state")})
}

// registerApp registers the App and sends the browser back with a code.
func (s *Sim) registerApp(w http.ResponseWriter, r *http.Request) {
	var m manifest
	err := json.Unmarshal([]byte(r.PostFormValue("manifest")), &m)
	back, backErr := url.Parse(m.RedirectURL)
	key, keyErr := s.newKey()
	if err != nil || backErr != nil || keyErr != nil || m.Name == "" || len(m.Name) > 34 || m.URL == "" || back.Host == "" {
		http.Error(w, "The manifest cannot be used.", http.StatusUnprocessableEntity)
		return
	}
	s.mu.Lock()
	owner := s.account(r.PostFormValue("org"))
	slug := strings.ToLower(strings.ReplaceAll(m.Name, " ", "-"))
	for _, a := range s.apps {
		if a.slug == slug {
			owner = nil
		}
	}
	if owner == nil {
		s.mu.Unlock()
		http.Error(w, "Name is already taken, or there is no such organisation.", http.StatusUnprocessableEntity)
		return
	}
	a := s.newApp(AppSpec{Slug: slug, Name: m.Name, Permissions: m.Permissions, Events: m.Events, HookURL: m.Hook.URL, HookSecret: s.secret(""), Key: key}, owner)
	code := s.secret("")
	a.signIn = &signingIn{secret: s.secret(""), callbacks: m.Callbacks, codes: map[string]*authCode{}, refreshers: map[string]*token{}}
	s.registrations[code] = a
	s.ping(a)
	s.mu.Unlock()
	query := back.Query()
	query.Set("code", code)
	if state := r.PostFormValue("state"); state != "" {
		query.Set("state", state)
	}
	back.RawQuery = query.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// ping is sent when a webhook was set up.
func (s *Sim) ping(a *app) {
	if a.hookURL == "" {
		return
	}
	at := stamp(s.now())
	body, err := json.Marshal(obj{"zen": "Keep it logically awesome.", "hook_id": a.id + 1, "hook": obj{
		"type": "App", "id": a.id + 1, "name": "web", "active": true, "app_id": a.id, "events": list(a.events), "created_at": at, "updated_at": at,
		"config": obj{"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": a.hookURL}}})
	if err != nil {
		panic("ghsim: payload of ping: " + err.Error()) // a bug: payloads are made here
	}
	s.send(a, &delivery{id: s.nextID(), guid: s.guid(), event: "ping", payload: body})
}

// convertManifest hands out the App of a code with its secrets, once.
func convertManifest(c *call) (*answer, error) {
	made, ok := c.s.registrations[c.params["code"]]
	if !ok {
		return nil, errNotFound
	}
	delete(c.s.registrations, c.params["code"])
	o := c.s.renderApp(made)
	o["client_secret"], o["webhook_secret"], o["pem"] = made.signIn.secret, made.hookSecret, string(encodeKey(made.key))
	return &answer{status: http.StatusCreated, body: o}, nil
}

// AppNamed is the App of a slug, and nil when there is none.
func (s *Sim) AppNamed(slug string) *App {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.apps {
		if a.slug == slug {
			return &App{s, a}
		}
	}
	return nil
}
