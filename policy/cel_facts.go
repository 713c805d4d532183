package policy

import (
	"cmp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
)

// The facts as the organisation's own rules see them. It is a format of its own, so that a rule
// does not depend on how facts are stored: names are added, never changed or removed.

// RuleAccount is an account.
type RuleAccount struct {
	ID    int64  `cel:"id"`
	Login string `cel:"login"`
	Type  string `cel:"type"` // "User", "Bot", …
}

// RuleChange is the pull request.
type RuleChange struct {
	Number     int64       `cel:"number"`
	Title      string      `cel:"title"`
	Author     RuleAccount `cel:"author"`
	Base       string      `cel:"base"` // the branch by whose rules it is judged
	Head       string      `cel:"head"` // the branch that it comes from
	Draft      bool        `cel:"draft"`
	Fork       bool        `cel:"fork"`
	Labels     []string    `cel:"labels"`
	Repository string      `cel:"repository"` // owner/name
	Tickets    []string    `cel:"tickets"`    // by the shape of authorisation.pattern
}

// RuleAuthorship is who wrote it.
type RuleAuthorship struct {
	Class    string   `cel:"class"`
	Agent    bool     `cel:"agent"`    // the class is agent
	Assisted bool     `cel:"assisted"` // the class is assisted
	Agents   []string `cel:"agents"`   // names in the catalogue
	Vendors  []string `cel:"vendors"`
	// InitiatorKnown is whether GitHub asserts who asked the agent.
	InitiatorKnown bool `cel:"initiator_known"`
}

// RuleFile is a changed file.
type RuleFile struct {
	Path      string `cel:"path"`
	Previous  string `cel:"previous"` // before a rename, else empty
	Status    string `cel:"status"`
	Additions int64  `cel:"additions"`
	Deletions int64  `cel:"deletions"`
}

// RuleSize is how much is changed.
type RuleSize struct {
	Files     int64 `cel:"files"`
	Lines     int64 `cel:"lines"` // added and deleted
	Additions int64 `cel:"additions"`
	Deletions int64 `cel:"deletions"`
}

// RuleCommits are the commits.
type RuleCommits struct {
	Count  int64 `cel:"count"`
	Signed int64 `cel:"signed"` // with a signature that GitHub verified
}

// RuleReviews are the reviews that count.
type RuleReviews struct {
	Approvals int64         `cel:"approvals"` // by independent people, for the newest commit
	Approvers []RuleAccount `cel:"approvers"`
	Blocked   bool          `cel:"blocked"` // changes are requested, and that stands
}

// ruleFacts are the facts as an expression sees them.
type ruleFacts struct {
	vars cel.PartialActivation
	// missing says why a part is not known, by its name.
	missing map[string]string
}

// ruleFacts are the variables of an expression, and those that are not known.
func (j *judgement) ruleFacts() (*ruleFacts, error) {
	if j.ruleVars == nil {
		missing := j.ruleMissing()
		partial, err := cel.PartialVars(j.ruleVariables(missing), j.unknownParts(missing)...)
		if err != nil {
			return nil, err
		}
		j.ruleVars = &ruleFacts{vars: partial, missing: missing}
	}
	return j.ruleVars, nil
}

func (j *judgement) ruleVariables(missing map[string]string) map[string]any {
	vars := map[string]any{
		"change": j.ruleChange(), "authorship": j.ruleAuthorship(), "commits": j.ruleCommits(), "reviews": j.ruleReviews(),
		"validations": j.ruleValidations(),
	}
	vars["files"], vars["size"] = j.ruleFiles()
	for _, part := range ruleParts() {
		vars[knownName(part)] = missing[part] == ""
	}
	return vars
}

// ruleMissing says of each part of the facts why it is not known, as a sentence; parts that are
// known have none.
func (j *judgement) ruleMissing() map[string]string {
	missing := map[string]string{
		"commits": incomplete(j.f.Commits, "commits"), "files": incomplete(j.f.Files, "changed files"),
		"reviews": strings.Join(j.peopleUnknown(), " "), "validations": strings.Join(j.validationsUnknown(), " "),
	}
	if slices.ContainsFunc(j.f.Files.Items, func(f File) bool { return f.Path == "" }) {
		missing["files"] = "A changed file has no path."
	}
	missing["size"] = missing["files"]
	missing["authorship"] = strings.Join(j.writersUnknown(), " ")
	if !j.authorKnown() {
		missing["change"] = "GitHub did not say who opened the pull request."
	}
	return missing
}

// writersUnknown says why an agent may have taken part without a trace that we saw.
func (j *judgement) writersUnknown() (why []string) {
	for _, s := range []string{incomplete(j.f.Commits, "commits"), incomplete(j.f.Assignments, "assignments")} {
		if s != "" {
			why = append(why, s)
		}
	}
	if c := &j.f.Commits; c.Complete && (len(c.Items) == 0 || slices.ContainsFunc(c.Items, func(m Commit) bool { return !m.CoAuthorsComplete })) {
		why = append(why, "The co-authors of the commits could not all be read.")
	}
	if !j.authorKnown() {
		why = append(why, "GitHub did not say who opened the pull request.")
	}
	if !j.pushersKnown() {
		why = append(why, "Not every push to this pull request was seen; opened anew as another pull request, it would be.")
	}
	return why
}

// authorKnown reports whether GitHub said who opened the pull request.
func (j *judgement) authorKnown() bool {
	a := j.f.Change.Author
	return a.Type != "" && (a.ID != 0 || a.Type == TypeGhost)
}

// unknownParts are what an expression must not see. That an agent took part is known from its
// first trace: others can only add to it.
func (j *judgement) unknownParts(missing map[string]string) (out []*cel.AttributePatternType) {
	for _, part := range ruleParts() {
		switch {
		case missing[part] == "":
		case part == "authorship" && j.who.Class == ClassAgent:
			for _, field := range []string{"agents", "vendors", "initiator_known"} {
				out = append(out, cel.AttributePattern(part).QualString(field))
			}
		case part == "change":
			out = append(out, cel.AttributePattern(part).QualString("author"))
		default:
			out = append(out, cel.AttributePattern(part))
		}
	}
	return out
}

func ruleAccount(a Actor) RuleAccount {
	return RuleAccount{ID: a.ID, Login: a.Login, Type: string(a.Type)}
}

func (j *judgement) ruleChange() RuleChange {
	c := &j.f.Change
	return RuleChange{
		Number: int64(c.Number), Title: c.Title, Author: ruleAccount(c.Author), Base: c.GoverningRef, Head: c.HeadRef, Draft: c.Draft, Fork: c.Fork,
		Labels: notNil(slices.Sorted(slices.Values(c.Labels))), Repository: j.f.Repository.Name, Tickets: notNil(c.Tickets),
	}
}

func (j *judgement) ruleAuthorship() RuleAuthorship {
	a := RuleAuthorship{
		Class: string(j.who.Class), Agent: j.who.Class == ClassAgent, Assisted: j.who.Class == ClassAssisted,
		Agents: notNil(j.who.Agents), Vendors: []string{}, InitiatorKnown: j.who.InitiatorKnown,
	}
	for _, name := range j.who.Agents {
		if agent := j.cat.Named(name); agent != nil && agent.Vendor != "" {
			a.Vendors = append(a.Vendors, agent.Vendor)
		}
	}
	a.Vendors = notNil(unique(a.Vendors))
	return a
}

func (j *judgement) ruleFiles() ([]RuleFile, RuleSize) {
	files, size := make([]RuleFile, 0, len(j.f.Files.Items)), RuleSize{Files: int64(len(j.f.Files.Items))}
	for i := range j.f.Files.Items {
		f := &j.f.Files.Items[i]
		files = append(files, RuleFile{Path: f.Path, Previous: f.Previous, Status: f.Status, Additions: int64(f.Additions), Deletions: int64(f.Deletions)})
		size.Additions += int64(f.Additions)
		size.Deletions += int64(f.Deletions)
	}
	size.Lines = size.Additions + size.Deletions
	// GitHub's order is not evidence.
	slices.SortFunc(files, func(a, b RuleFile) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Previous, b.Previous))
	})
	return files, size
}

func (j *judgement) ruleCommits() RuleCommits {
	c := RuleCommits{Count: int64(len(j.f.Commits.Items))}
	for i := range j.f.Commits.Items {
		if strings.EqualFold(j.f.Commits.Items[i].Signature.State, "valid") {
			c.Signed++
		}
	}
	return c
}

func (j *judgement) ruleReviews() RuleReviews {
	r := RuleReviews{Approvers: []RuleAccount{}}
	for _, review := range j.reviews {
		if review.counts() {
			r.Approvals++
			r.Approvers = append(r.Approvers, ruleAccount(review.review.Actor))
		}
		r.Blocked = r.Blocked || review.blocks
	}
	return r
}

// ruleValidations are the states of the validations that were looked for, by id.
func (j *judgement) ruleValidations() ref.Val {
	out := map[string]string{}
	for _, c := range j.checks {
		out[c.ID] = c.State
	}
	return newOrderedMap(out)
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
