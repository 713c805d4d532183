package policy

import (
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
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

// ruleFacts are the variables of an expression, and those that are not known.
func (j *judgement) ruleFacts() (cel.PartialActivation, error) {
	if j.ruleVars == nil {
		vars, missing := j.makeRuleFacts()
		partial, err := cel.PartialVars(vars, missing...)
		if err != nil {
			return nil, err
		}
		j.ruleVars = partial
	}
	return j.ruleVars, nil
}

func (j *judgement) makeRuleFacts() (map[string]any, []*cel.AttributePatternType) {
	vars := map[string]any{
		"change": j.ruleChange(), "authorship": j.ruleAuthorship(), "commits": j.ruleCommits(), "reviews": j.ruleReviews(),
		"validations": j.ruleValidations(),
	}
	vars["files"], vars["size"] = j.ruleFiles()
	people := len(j.peopleUnknown()) == 0
	isKnown := map[string]bool{
		"change": true, "authorship": j.f.Commits.Complete, "commits": j.f.Commits.Complete, "reviews": people,
		"files": j.f.Files.Complete, "size": j.f.Files.Complete, "validations": len(j.validationsUnknown()) == 0,
	}
	var missing []*cel.AttributePatternType
	for _, part := range ruleParts() {
		vars[knownName(part)] = isKnown[part]
		if !isKnown[part] {
			missing = append(missing, cel.AttributePattern(part))
		}
	}
	return vars, missing
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
	slices.SortFunc(files, func(a, b RuleFile) int { return strings.Compare(a.Path, b.Path) })
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
func (j *judgement) ruleValidations() map[string]string {
	out := map[string]string{}
	for _, c := range j.checks {
		out[c.ID] = c.State
	}
	return out
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
