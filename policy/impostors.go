package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Impostor is a check run or commit status under one of our names that somebody else posted.
type Impostor struct {
	Kind string `json:"kind"` // KindCheckRun or KindStatus
	ID   int64  `json:"id"`
	Name string `json:"name"`
	// App posted a check run, Creator set a status.
	App     App   `json:"app"`
	Creator Actor `json:"creator"`
	// Harmful is true when the branch would take it for ours: it requires the check from any
	// source, or from this one.
	Harmful bool `json:"harmful"`
}

// maxImpostors is how many are kept of one decision.
const maxImpostors = 20

// impostors are the checks under our names from others: the first of each poster and name, those
// that do harm before the others, so that a flood of harmless ones hides none of them. Facts hold
// none of our own. They never validate anything, and they do not hold the change either: or
// anybody with write access could hold everybody's.
func (j *judgement) impostors() []Impostor {
	var out []Impostor
	for i := range j.tested.runs.Items {
		v := &j.tested.runs.Items[i]
		if IsOwnCheck(v.Name) && (v.Kind == KindStatus || v.App.ID != j.f.App.ID) {
			out = append(out, Impostor{Kind: v.Kind, ID: v.ID, Name: v.Name, App: v.App, Creator: v.Creator, Harmful: j.takenForOurs(v)})
		}
	}
	harmless := func(i Impostor) int {
		if i.Harmful {
			return 0
		}
		return 1
	}
	slices.SortFunc(out, func(a, b Impostor) int {
		return cmp.Or(cmp.Compare(harmless(a), harmless(b)), strings.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
	type poster struct {
		kind, name   string
		app, creator int64
	}
	seen := map[poster]bool{}
	out = slices.DeleteFunc(out, func(i Impostor) bool {
		p := poster{i.Kind, i.Name, i.App.ID, i.Creator.ID}
		again := seen[p]
		seen[p] = true
		return again
	})
	return out[:min(len(out), maxImpostors)]
}

// takenForOurs reports whether a required check of the branch would be satisfied by it.
func (j *judgement) takenForOurs(v *Validation) bool {
	return slices.ContainsFunc(j.requiredChecks(), func(c RequiredCheck) bool {
		if v.Kind == KindStatus {
			return strings.EqualFold(c.Name, v.Name) && c.AppID == 0 // see IsOwnCheck
		}
		return c.Name == v.Name && (c.AppID == 0 || c.AppID == v.App.ID)
	})
}

// Poster is who posted it, in plain words.
func (i Impostor) Poster() string {
	if i.Kind == KindStatus {
		return orSomebody(i.Creator.Login)
	}
	if i.App.Slug == "" {
		return fmt.Sprintf("the App %d", i.App.ID)
	}
	return "the App " + i.App.Slug
}

// sentence tells a developer of it.
func (i Impostor) sentence() string {
	s := fmt.Sprintf("A check called %s was posted by %s. Only the one of this App counts.", i.Name, i.Poster())
	if i.Harmful {
		s += " The branch takes it for ours: pin the required check to this App."
	}
	return s
}
