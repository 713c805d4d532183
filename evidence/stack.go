package evidence

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/policy"
)

// stackEntry is one policy that decisions about a repository were made by.
type stackEntry struct {
	repositoryID int64
	repository   string
	digest       string // of the policy as it is kept
	policy       *policy.Policy
	problem      string // why there is none
	branches     map[string]bool
	first, last  int64 // leaves of decisions
	decisions    int
	seen         map[string]map[string]int // validations that were looked for: by name, how often with which result
}

// validationStack says which tests and checks the policies asked for, by the decisions that are
// in the bundle.
func (f *findings) validationStack() ([]byte, error) {
	entries, err := f.stack()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Validation stack of %s\n\nWhich tests and checks the policies asked for of changes to enrolled branches, from %s to before %s (UTC).\n\n", markdown(f.organisation), moment(f.query.From), moment(f.query.To))
	fmt.Fprintf(&b, "Read from the policies by which the %d decisions in this bundle were made, as they were recorded with each decision. A policy by which no decision in this bundle was made is not listed.\nA validation counts by who ran it and from which file, never by its name alone.\n", len(f.decisions))
	last := int64(-1)
	for _, e := range entries {
		if e.repositoryID != last {
			fmt.Fprintf(&b, "\n## %s\n", markdown(e.repository))
			last = e.repositoryID
		}
		e.write(&b)
	}
	return b.Bytes(), nil
}

// stack lists the policies in order of repository and of the decisions made by them.
func (f *findings) stack() ([]*stackEntry, error) {
	w, err := f.walk()
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Values(w.stack), func(a, b *stackEntry) int {
		return cmp.Or(cmp.Compare(a.repositoryID, b.repositoryID), cmp.Compare(a.first, b.first))
	}), nil
}

// stackOf counts a decision with the policy that it was made by, which is read once.
func (f *findings) stackOf(found map[string]*stackEntry, c *counted, leaf int64) error {
	key := strconv.FormatInt(c.repositoryID, 10) + "/" + c.policy
	if found[key] == nil {
		r, err := f.recorded.whole(leaf)
		if err != nil {
			return fmt.Errorf("policy of the decision of leaf %d: %w", leaf, err)
		}
		found[key] = newStackEntry(c, r.Policy, leaf)
	}
	found[key].add(c, leaf)
	return nil
}

func newStackEntry(c *counted, kept []byte, leaf int64) *stackEntry {
	e := &stackEntry{repositoryID: c.repositoryID, digest: c.policy, first: leaf, branches: map[string]bool{}, seen: map[string]map[string]int{}}
	if kept == nil {
		e.problem = "no policy could be read"
		return e
	}
	p, _, err := policy.ParseKept(kept, c.repository)
	if err != nil {
		e.problem = "the policy could not be used: " + err.Error()
	}
	e.policy = p
	return e
}

func (e *stackEntry) add(c *counted, leaf int64) {
	e.repository, e.last, e.branches[c.ref] = c.repository, leaf, true
	e.decisions++
	for _, v := range c.validations {
		if e.seen[v.id] == nil {
			e.seen[v.id] = map[string]int{}
		}
		e.seen[v.id][v.state]++
	}
}

func (e *stackEntry) write(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n### Policy %s\n\n", cmp.Or(e.digest, "(none)"))
	if e.digest != "" {
		fmt.Fprintf(b, "Its text is in [%s%s](%s%s). ", blobs, e.digest, blobs, e.digest)
	}
	fmt.Fprintf(b, "Decisions in this bundle that were made by it: %d, from leaf %d to leaf %d, for changes to %s.\n", e.decisions, e.first, e.last, markdown(strings.Join(slices.Sorted(maps.Keys(e.branches)), ", ")))
	if e.policy == nil {
		fmt.Fprintf(b, "\n%s.\n", markdown(e.problem))
		return
	}
	e.required(b)
	e.looked(b)
}

// required lists what the policy asks for.
func (e *stackEntry) required(b *bytes.Buffer) {
	v := e.policy.Validation
	if v.OfBranch() {
		fmt.Fprint(b, "\nThe policy asks for the checks that the branch itself requires, less our own.\n")
	}
	if len(v.Required) > 0 {
		fmt.Fprint(b, "\n| Validation | Kind | Who must run it |\n| --- | --- | --- |\n")
		for _, r := range v.Required {
			fmt.Fprintf(b, "| %s | %s | %s |\n", markdown(r.ID), markdown(cmp.Or(r.Kind, "not said")), markdown(runnerInWords(r)))
		}
	}
	if len(v.Protect) > 0 {
		fmt.Fprintf(b, "\nFiles whose change needs an owner's approval, beside the policy and CODEOWNERS: %s.\n", markdown(strings.Join(v.Protect, ", ")))
	}
	fmt.Fprintf(b, "\nOwners of these files: %s.\n", markdown(cmp.Or(strings.Join(v.Owners, ", "), "people with the role maintain or admin")))
}

// runnerInWords says who must run a validation, and from where.
func runnerInWords(r policy.RequiredValidation) string {
	app := cmp.Or(r.App, "any App")
	if r.AppID != 0 {
		app = fmt.Sprintf("App %d", r.AppID)
	}
	switch {
	case r.Status != "":
		return fmt.Sprintf("commit status %q, set by %s", r.Status, cmp.Or(r.Creator, "anybody"))
	case r.Workflow != "":
		s := fmt.Sprintf("%s: job %q of %s in %s", app, r.Job, r.Workflow, cmp.Or(r.Repository, "the repository itself"))
		if r.Event != "" {
			s += ", started by " + r.Event
		}
		return s
	}
	return fmt.Sprintf("%s: check %q", app, r.Check)
}

// looked lists what the decisions looked for, and what they found.
func (e *stackEntry) looked(b *bytes.Buffer) {
	if len(e.seen) == 0 {
		return
	}
	fmt.Fprint(b, "\n| Looked for by these decisions | Results |\n| --- | --- |\n")
	for _, id := range slices.Sorted(maps.Keys(e.seen)) {
		var results []string
		for _, state := range slices.Sorted(maps.Keys(e.seen[id])) {
			results = append(results, fmt.Sprintf("%s: %d", state, e.seen[id][state]))
		}
		fmt.Fprintf(b, "| %s | %s |\n", markdown(id), markdown(strings.Join(results, ", ")))
	}
}

// markdown is text as it is: nothing in it becomes structure.
func markdown(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return visible(r)
	}, s)
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]<>()#!|~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
