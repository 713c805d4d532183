package policy

import (
	"errors"
	"fmt"
	"strings"
)

// maxAnnotations is how many annotations GitHub takes with one write of a check run.
const maxAnnotations = 50

// Annotation marks a line of a changed file on the pull request.
//
// Field names and order are part of the evidence format; add, never change.
type Annotation struct {
	Path   string `json:"path"`
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1; 0 when it is about the whole line
	// Level is "failure" or "warning".
	Level   string `json:"level"`
	Message string `json:"message"`
}

// Floor is the organisation's policy under one that several layers make; nil: there is none.
func (p *Policy) Floor() *Policy {
	if len(p.merged) == 0 {
		return nil
	}
	return p.merged[0]
}

// read is the policy that a proposed file is, or what makes the file unusable; neither when it
// is removed, or is nil.
func (next *ProposedPolicy) read() (*Policy, []Annotation) {
	if next == nil || next.Removed {
		return nil, nil
	}
	if next.Unreadable != "" {
		return nil, []Annotation{{Path: Path, Line: 1, Level: "failure", Message: "Countersign cannot use this: " + next.Unreadable + "."}}
	}
	p, err := Parse([]byte(next.Source))
	var broken *ParseError
	if errors.As(err, &broken) {
		return nil, annotations("failure", broken.Problems)
	}
	if err != nil {
		return nil, []Annotation{{Path: Path, Line: 1, Level: "failure", Message: shorten(err.Error(), 500)}}
	}
	return p, nil
}

// judgeProposal says of a change to the policy file what is wrong with its version and what it
// would make of the policy. The verdict is the rules': see policyIntegrity.
func (j *judgement) judgeProposal(d *Decision) {
	next := j.f.Proposed
	if next == nil {
		return
	}
	if next.Removed {
		d.PolicyDiff = []Difference{{Path: Path, Was: "the policy of this repository", Effect: effectLoosens}}
		return
	}
	proposed := j.proposed
	if proposed == nil {
		d.Annotations = j.unusable
		return
	}
	if was := j.p.Floor(); was != nil && j.isOrganisationPolicy() {
		d.PolicyDiff = was.Differences(proposed)
		return
	}
	merged, notes := Merge(j.p.Floor(), proposed, j.f.Repository.Name)
	var problems []Problem
	for _, n := range notes {
		problems = append(problems, n.Problem)
	}
	d.Annotations = annotations("warning", problems)
	d.PolicyDiff = j.p.Differences(merged)
	if _, enrolled := merged.Lane(j.f.Change.GoverningRef); !enrolled {
		d.Annotations = append(d.Annotations[:min(len(d.Annotations), maxAnnotations-1)], Annotation{Path: Path, Line: 1, Level: "warning",
			Message: fmt.Sprintf("This policy does not enrol %s: pull requests to it fail until it does, unless its mode was audit before.", j.f.Change.GoverningRef)})
	}
}

// isOrganisationPolicy reports whether the change would reach the organisation's policy.
func (j *judgement) isOrganisationPolicy() bool {
	_, name, _ := strings.Cut(j.f.Repository.Name, "/")
	return name == OrganisationRepository && j.f.Change.BaseRef == j.f.Repository.DefaultBranch
}

func annotations(level string, problems []Problem) []Annotation {
	var out []Annotation
	for i, p := range problems {
		message := p.Text()
		if p.Hint != "" {
			message += " (" + p.Hint + ")"
		}
		if i == maxAnnotations-1 && len(problems) > maxAnnotations {
			message = fmt.Sprintf("And %d more problems.", len(problems)-i)
		}
		out = append(out, Annotation{Path: Path, Line: max(p.Line, 1), Column: p.Column, Level: level, Message: plain(message, maxCell)})
		if len(out) == maxAnnotations {
			break
		}
	}
	return out
}
