package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
	"github.com/countersign/countersign/store"
)

// mostStates is how many states of a branch's protection are shown.
const mostStates = 50

// branchPage is how one branch is protected, what its rules lack and how to repair it.
type branchPage struct {
	Base    string
	Row     guardedRow
	Says    policy.RuleResult // of the rule, now; zero: its policy is not known
	Holds   policy.Answer     // by what was read last, and what is attested now; empty: not known
	Bypass  []bypassLine
	Links   []figureRows // to GitHub's pages
	Command string       // that makes the ruleset
	States  []stateRow
	Cut     bool
	Drifts  []store.LeafIndexed
}

// bypassLine says who may pass a source of rules by.
type bypassLine struct{ Source, Who, Tone, Attested string }

// stateRow is one state with its end.
type stateRow struct {
	store.ProtectionState
	Until time.Time // zero: it is so now
}

// branchPath is the address of a branch's page. Its name may hold slashes.
func branchPath(base string, repo int64, ref string) string {
	parts := strings.Split(ref, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return fmt.Sprintf("%s/protection/%d/%s", base, repo, strings.Join(parts, "/"))
}

// branch shows how one branch is protected.
func (s *Site) branch(v *visit) (shown, error) {
	tenant, err := v.view.Whole()
	if err != nil {
		return shown{}, err
	}
	g, err := tenant.GuardedBranch(v.Context(), v.id("repo"), v.PathValue("ref"))
	if err != nil {
		return shown{}, err
	}
	p := branchPage{Base: v.base(), Row: guardedRowOf(v.base(), g)}
	states, err := tenant.ProtectionStates(v.Context(), g.LeafIndex, mostStates+1)
	if err != nil {
		return shown{}, err
	}
	if len(states) > 0 {
		if err := s.judge(v, tenant, &p, states[0]); err != nil {
			return shown{}, err
		}
	}
	p.states(states)
	drifts, err := tenant.Exceptions(v.Context(), store.ExceptionFilter{RepoID: g.RepoID, Kind: store.ProtectionDrift})
	if err != nil {
		return shown{}, err
	}
	p.Drifts = slices.DeleteFunc(drifts, func(e store.LeafIndexed) bool { return e.Ref != g.Ref })
	return shown{g.Repository + " " + g.Ref, p}, nil
}

func (p *branchPage) states(list []store.ProtectionState) {
	var until time.Time
	for _, st := range list {
		p.States = append(p.States, stateRow{st, until})
		until = st.Since
	}
	if p.Cut = len(p.States) > mostStates; p.Cut {
		p.States = p.States[:mostStates]
	}
}

// judge asks the rule again, of the settings that were read last, by the policy of the branch's
// newest decision and what owners attest now.
func (s *Site) judge(v *visit, tenant store.Tenant, p *branchPage, newest store.ProtectionState) error {
	var settings policy.Protection
	if err := json.Unmarshal(newest.Settings, &settings); err != nil {
		return fmt.Errorf("web: settings of leaf %d: %w", newest.LeafIndex, err)
	}
	for i := range settings.Bypass {
		b := &settings.Bypass[i]
		if b.State == policy.BypassUnreadable && b.RulesetID != 0 {
			var err error
			if b.Attested, err = tenant.AttestedBypass(v.Context(), b.RulesetID); err != nil {
				return err
			}
		}
		p.Bypass = append(p.Bypass, bypassLineOf(*b))
	}
	p.links(s.GitHubURL, settings)
	kept, err := tenant.LastPolicy(v.Context(), p.Row.RepoID, p.Row.Ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil // nothing was decided yet
	}
	if err != nil {
		return err
	}
	parsed, _, err := policy.ParseKept(kept, p.Row.Repository)
	if err != nil {
		return nil // the pull requests are told of a policy that cannot be used
	}
	p.Says, p.Holds = policy.JudgeProtection(parsed, policy.App{ID: s.AppID}, p.Row.Repository, settings, s.Now())
	if p.Holds == policy.No {
		p.Command = fmt.Sprintf("countersign protect --repo %s --app-id %d", p.Row.Repository, s.AppID)
	}
	return nil
}

func bypassLineOf(b policy.Bypass) bypassLine {
	l := bypassLine{Source: cmp.Or(b.Source, "the repository"), Who: "not readable", Tone: "open"}
	if b.RulesetID == 0 {
		l.Source = "classic branch protection"
	} else {
		l.Source = fmt.Sprintf("ruleset %d of %s", b.RulesetID, l.Source)
	}
	actors := b.Actors
	switch {
	case b.State == policy.BypassNone && len(actors) == 0:
		l.Who, l.Tone = "nobody", "good"
	case b.State == policy.BypassThese && len(actors) > 0:
		l.Who = actorsInWords(actors)
	case b.Attested != nil:
		l.Attested = fmt.Sprintf("%s attested %s on %s; that stands until %s.", b.Attested.By.Login, cmp.Or(actorsInWords(b.Attested.Actors), "nobody"),
			b.Attested.At.Format(time.DateOnly), b.Attested.Until().Format(time.DateOnly))
		if b.AttestationVoid() {
			l.Attested = fmt.Sprintf("What %s attested on %s is void: the ruleset was changed since.", b.Attested.By.Login, b.Attested.At.Format(time.DateOnly))
		}
	}
	return l
}

func actorsInWords(list []policy.BypassActor) string {
	var out []string
	for _, a := range list {
		name := a.Type
		if a.Name != "" {
			name += " " + a.Name
		} else if a.ID != 0 {
			name += fmt.Sprintf(" %d", a.ID)
		}
		if a.Mode != "" {
			name += " (" + a.Mode + ")"
		}
		out = append(out, name)
	}
	return strings.Join(out, ", ")
}

// links are GitHub's pages on which the rules of the branch are changed.
func (p *branchPage) links(github string, settings policy.Protection) {
	repository := github + "/" + p.Row.Repository
	p.Links = []figureRows{{"Rulesets of " + p.Row.Repository, repository + "/settings/rules"}, {"Branch protection rules of " + p.Row.Repository, repository + "/settings/branches"}}
	seen := map[int64]bool{}
	for _, r := range settings.Rules.Items {
		if seen[r.RulesetID] || r.RulesetID == 0 {
			continue
		}
		seen[r.RulesetID] = true
		text := fmt.Sprintf("Ruleset %d of %s", r.RulesetID, cmp.Or(r.Source, p.Row.Repository))
		switch r.SourceType {
		case "Repository":
			p.Links = append(p.Links, figureRows{text, fmt.Sprintf("%s/settings/rules/%d", repository, r.RulesetID)})
		case "Organization":
			p.Links = append(p.Links, figureRows{text, fmt.Sprintf("%s/organizations/%s/settings/rules/%d", github, url.PathEscape(r.Source), r.RulesetID)})
		}
	}
}
