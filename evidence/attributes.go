package evidence

// testedAttribute is one attribute of one change with what was found.
type testedAttribute struct {
	attribute
	finding
}

// attributesOf are all attributes of a change.
func (f *findings) attributesOf(r onRecord) (out []testedAttribute) {
	for _, a := range attributes() {
		x := a.judge(r, f)
		if r.update.earlier && x.result != resultNotRecorded {
			x = finding{resultNotTestable, "It reached the branch before that was enrolled, and was read from GitHub's list afterwards: nothing was decided about it.", r.updateLeaf()}
		}
		out = append(out, testedAttribute{a, x})
	}
	return out
}

// attributesTable is the test matrix: every attribute of every change that is shown, one to a row.
func (f *findings) attributesTable() (table, error) {
	t := table{name: "attributes", title: "Attributes", columns: []string{"id", "repository", "branch", "pull_request", "commit", "at", "mode", "stratum", "in_sample",
		"attribute", "test", "result", "counts_as_deviation", "reason", "rests_on", "decision_leaf", "decided_at", "engine", "policy_sha256", "catalogue_sha256"}}
	for _, c := range f.changes {
		if !f.shown(c) {
			continue
		}
		r, err := f.onRecord(c)
		if err != nil {
			return t, err
		}
		u := c.update
		id := []string{c.id(), u.repository, u.ref, orNone(int64(c.number)), u.after, moment(u.at), string(u.mode), c.stratum(), yesNo(f.picked[c.id()])}
		basis := r.basisColumns()
		for _, x := range f.attributesOf(r) {
			row := append(append([]string{}, id...), x.letter, x.test, string(x.result), yesNo(x.result.deviates()), x.reason, x.restsOn)
			t.rows = append(t.rows, append(row, basis...))
		}
	}
	return t, nil
}

// basisColumns say which decision was looked at, and by what it was made.
func (r onRecord) basisColumns() []string {
	j := r.basis
	if j == nil {
		return []string{"", "", "", "", ""}
	}
	at := ""
	switch {
	case j.facts != nil:
		at = moment(j.facts.EvaluatedAt)
	case j.group != nil:
		at = moment(j.group.EvaluatedAt)
	}
	return []string{number64(j.leaf), at, j.decision.Engine, j.body.PolicySHA256, j.body.CatalogueSHA256}
}
