package gh_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/countersign/countersign/gh"
	"github.com/countersign/countersign/gh/ghsim"
)

// A person sees what they can read by their own right, where our App is installed, and no more.
func TestVisible(t *testing.T) {
	l := newLobby(t)
	dave, mallory := l.sim.User("dave"), l.sim.User("mallory")
	shop := l.acme.Repo("shop", ghsim.RepoSpec{}).Collaborator(l.carol, "read")
	public := l.acme.Repo("site", ghsim.RepoSpec{Public: true})
	l.acme.Repo("secret", ghsim.RepoSpec{}).Collaborator(l.carol, "read") // the App is not installed on it
	ours := l.app.Install(l.acme, shop, public)
	globex := l.sim.Org("globex").Owner(dave)
	globex.Repo("plans", ghsim.RepoSpec{}).Collaborator(l.bob, "write")
	atGlobex := l.app.Install(globex)
	l.sim.App(ghsim.AppSpec{Slug: "another"}).Install(l.acme)
	l.sim.Org("initech").Owner(l.alice).Repo("tps", ghsim.RepoSpec{}) // without the App

	all := map[int64][]string{}
	for name, c := range map[string]struct {
		who  *ghsim.User
		want map[int64][]string
	}{
		"an owner":                     {l.alice, map[int64][]string{ours.ID(): {"acme/shop", "acme/site"}}},
		"a member here, a guest there": {l.bob, map[int64][]string{ours.ID(): {"acme/shop", "acme/site"}, atGlobex.ID(): {"globex/plans"}}},
		"a guest":                      {l.carol, map[int64][]string{ours.ID(): {"acme/shop"}}},
		"an owner elsewhere":           {dave, map[int64][]string{atGlobex.ID(): {"globex/plans"}}},
		"nobody":                       {mallory, all},
	} {
		me := l.person(c.who)
		installations, err := me.VisibleInstallations(t.Context())
		if err != nil || len(installations) != len(c.want) {
			t.Errorf("%s: %+v, %v", name, installations, err)
		}
		for _, i := range installations {
			repositories, err := me.VisibleRepositories(t.Context(), i.InstallationID)
			var names []string
			for _, r := range repositories {
				names = append(names, r.FullName)
			}
			slices.Sort(names)
			if err != nil || !slices.Equal(names, c.want[i.InstallationID]) || i.AppID != l.app.ID() || i.Account.Type != "Organization" || i.Suspended {
				t.Errorf("%s: %+v has %v, %v", name, i, names, err)
			}
		}
		for _, id := range []int64{ours.ID(), atGlobex.ID(), 99} {
			if _, err := me.VisibleRepositories(t.Context(), id); c.want[id] == nil && !errors.Is(err, gh.ErrNotFound) {
				t.Errorf("%s: the repositories of an installation that they cannot see: %v", name, err)
			}
		}
	}
	// The token is the App's: what the App is not installed on, it does not reach.
	carol := l.person(l.carol)
	if _, err := carol.Repository(t.Context(), gh.Repo{Owner: "acme", Name: "secret"}); !errors.Is(err, gh.ErrNotFound) {
		t.Errorf("a repository without the App: %v", err)
	}
	if r, err := carol.Repository(t.Context(), gh.Repo{Owner: "acme", Name: "shop"}); err != nil || r.ID != shop.ID() {
		t.Errorf("a repository with it: %+v, %v", r, err)
	}
	atGlobex.Suspend()
	if list, err := l.person(dave).VisibleInstallations(t.Context()); err != nil || len(list) != 1 || !list[0].Suspended {
		t.Errorf("suspended: %+v, %v", list, err)
	}
}

func TestOwnsOrganization(t *testing.T) {
	l := newLobby(t)
	l.acme.Repo("shop", ghsim.RepoSpec{}).Collaborator(l.carol, "admin")
	installation := l.app.Install(l.acme)
	acme := gh.Account{ID: l.acme.ID(), Login: "acme", Type: "Organization"}
	account := func(u *ghsim.User) gh.Account { return gh.Account{ID: u.ID(), Login: u.Login(), Type: "User"} }
	alice, bob, carol := l.person(l.alice), l.person(l.bob), l.person(l.carol)
	for name, c := range map[string]struct {
		me          *gh.Client
		person, org gh.Account
		want        bool
		err         error
	}{
		"an owner":                 {alice, account(l.alice), acme, true, nil},
		"a member":                 {bob, account(l.bob), acme, false, nil},
		"an admin of a repository": {carol, account(l.carol), acme, false, nil},
		"an owner for another":     {alice, account(l.bob), acme, false, nil},
		"a name that passed on":    {alice, account(l.alice), gh.Account{ID: 7, Login: "acme", Type: "Organization"}, false, nil},
		"their own account":        {alice, account(l.alice), account(l.alice), true, nil},
		"somebody else's account":  {alice, account(l.alice), account(l.bob), false, nil},
		"an enterprise":            {alice, account(l.alice), gh.Account{ID: 7, Type: "Enterprise"}, false, nil},
		"no person":                {alice, gh.Account{}, acme, false, gh.ErrInvalid},
		"an account without an id": {alice, account(l.alice), gh.Account{Type: "User"}, false, gh.ErrInvalid},
	} {
		if got, err := c.me.OwnsOrganization(t.Context(), c.person, c.org); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, %v, want %v, %v", name, got, err, c.want, c.err)
		}
	}
	installation.Grant("members", "")
	if got, err := alice.OwnsOrganization(t.Context(), account(l.alice), acme); got || !errors.Is(err, gh.ErrForbidden) {
		t.Errorf("without the permission members: %v, %v", got, err)
	}
}

func TestWhoami(t *testing.T) {
	l := newLobby(t)
	bot := l.sim.UserOf(ghsim.UserSpec{Login: "helper[bot]", Type: "Bot"})
	c, err := l.connection.Person(bot.Token())
	if err != nil {
		t.Fatal(err)
	}
	if who, err := c.Whoami(t.Context()); !errors.Is(err, gh.ErrNotAPerson) || who.ID != bot.ID() {
		t.Errorf("a bot: %+v, %v", who, err)
	}
	// A person's own token says nothing of installations.
	if c, err = l.connection.Person(l.alice.Token()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.VisibleInstallations(t.Context()); !errors.Is(err, gh.ErrForbidden) {
		t.Errorf("a personal token: %v", err)
	}
}

// What a person sees comes whole, or not at all.
func TestVisibleIsWhole(t *testing.T) {
	const installation = `{"id":1,"app_id":42,"account":{"id":5,"login":"acme","type":"Organization"},"target_type":"Organization","suspended_at":null}`
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"one":            {`{"total_count":1,"installations":[` + installation + `]}`, nil},
		"an enterprise":  {`{"total_count":1,"installations":[{"id":1,"app_id":42,"account":{"id":5,"slug":"big"},"target_type":"Enterprise"}]}`, nil},
		"one is missing": {`{"total_count":2,"installations":[` + installation + `]}`, gh.ErrUnavailable},
		"too many":       {`{"total_count":1001,"installations":[` + installation + `]}`, gh.ErrTruncated},
		"no count":       {`{"installations":[` + installation + `]}`, gh.ErrUnavailable},
		"no list":        {`{"total_count":0}`, gh.ErrUnavailable},
		"no account":     {`{"total_count":1,"installations":[{"id":1,"app_id":42,"account":null,"target_type":"Organization"}]}`, gh.ErrUnavailable},
		"no App":         {`{"total_count":1,"installations":[{"id":1,"account":{"id":5,"login":"acme","type":"Organization"}}]}`, gh.ErrUnavailable},
	} {
		s := newServer(t)
		s.rest("GET /user/installations", 200, c.body)
		me, err := s.connect(t).Person("ghu_1")
		if err != nil {
			t.Fatal(err)
		}
		list, err := me.VisibleInstallations(t.Context())
		if !errors.Is(err, c.want) || c.want == nil && (len(list) != 1 || list[0].Account.ID != 5 || list[0].Account.Type == "") {
			t.Errorf("%s: got %+v, %v, want %v", name, list, err, c.want)
		}
	}
}
