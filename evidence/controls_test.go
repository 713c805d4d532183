package evidence

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/policy"
)

// judgedBy are findings about changes whose decisions gave these outcomes of human-review, each
// with its own leaf. An unknown outcome is a change without a decision.
func judgedBy(t *testing.T, outcomes ...policy.Outcome) (f *findings, rules map[int64][]policy.RuleResult) {
	t.Helper()
	rules = map[int64][]policy.RuleResult{}
	recorded := func(leaf int64) (RecordedDecision, error) {
		decision, err := json.Marshal(policy.Decision{Rules: rules[leaf]})
		return RecordedDecision{Body: []byte("{}"), Decision: decision}, err
	}
	f = &findings{picked: map[string]bool{}, recorded: recordedDecisions{recorded, counting{}.read(recorded)}}
	for i, o := range outcomes {
		c := change{leaf: int64(100 + i), number: i + 1, decision: int64(i), update: update{id: int64(i), kind: policy.UpdateMerge, group: -1}}
		if rules[int64(i)] = []policy.RuleResult{{Rule: policy.RuleHumanReview, Outcome: o}}; o == "" {
			c.decision = -1
		} else {
			f.decisions = append(f.decisions, int64(i))
		}
		f.changes = append(f.changes, c)
	}
	return f, rules
}

func TestResultsOfARule(t *testing.T) {
	f, _ := judgedBy(t, policy.OutcomePass, policy.OutcomeFail, policy.OutcomePending, policy.OutcomeExempt, policy.OutcomeNotApplicable, "")
	got, err := ofRule(policy.RuleHumanReview)(f)
	if err != nil || got.Tested != 4 || got.Deviations != 2 || got.Exempt != 1 || len(got.Items) != 2 || got.Items[0].ID != "0/1/2" {
		t.Errorf("of all: got %+v, %v", got, err)
	}
	f.draw, f.tallies, f.picked = &DrawRecord{}, nil, map[string]bool{"0/0/1": true, "0/3/4": true}
	if got, err = ofRule(policy.RuleHumanReview)(f); err != nil || got.Tested != 2 || got.Deviations != 0 || got.Exempt != 1 {
		t.Errorf("of the sample: got %+v, %v", got, err)
	}
	f, rules := judgedBy(t, policy.OutcomePass)
	f.changes[0].update.group, f.decisions = 7, append(f.decisions, 7)
	rules[7] = []policy.RuleResult{{Rule: policy.RuleHumanReview, Outcome: policy.OutcomeFail}}
	if got, err = ofRule(policy.RuleHumanReview)(f); err != nil || got.Deviations != 1 {
		t.Errorf("of a merge group: got %+v, %v; its own decision let it in", got, err)
	}
}

func TestResultsOfThePopulation(t *testing.T) {
	merge := change{number: 1, decision: 0, update: update{kind: policy.UpdateMerge, group: -1}}
	undecided, failing, push, made := merge, merge, change{decision: -1, update: update{kind: policy.UpdatePush, group: -1}}, change{decision: -1, update: update{kind: policy.UpdateCreation, group: -1}}
	undecided.decision, failing.kinds = -1, []string{policy.FindingWhileFailing}
	f := &findings{changes: []change{merge, undecided, failing, push, made}}
	results := map[string][2]int{}
	for _, x := range matrix[0].tests[:4] {
		got, err := x.run(f)
		if err != nil {
			t.Fatal(err)
		}
		results[x.id] = [2]int{got.Tested, got.Deviations}
	}
	for id, want := range map[string][2]int{"decided-before": {3, 2}, "no-direct-push": {4, 1}, "merged-as-decided": {3, 0}, "history-kept": {4, 0}} {
		if results[id] != want {
			t.Errorf("%s: got %v tested and deviating, want %v", id, results[id], want)
		}
	}
}

// What is not known of a branch's protection is a deviation, also where nothing at all is.
func TestResultsOfProtection(t *testing.T) {
	f := protectedLog(t)
	for _, x := range []struct {
		name               string
		repo               int64
		first              time.Duration
		tested, deviations int
	}{
		{"protected, then not", 7, 40 * time.Minute, 2, 1},
		{"updated before it was known", 7, -time.Minute, 3, 2},
		{"seen, and not known whether", 8, 40 * time.Minute, 1, 1},
		{"never seen", 99, 40 * time.Minute, 1, 1},
	} {
		f.completeness.Branches = []branchLine{{Updates: 1, RepositoryID: x.repo, Repository: "acme/x", Branch: "main", FirstUpdateAt: noon.Add(x.first)}}
		got, err := ofProtection(f)
		if err != nil || got.Tested != x.tested || got.Deviations != x.deviations || len(got.Items) != x.deviations {
			t.Errorf("%s: got %+v, %v; want %d tested, %d deviations", x.name, got, err, x.tested, x.deviations)
		}
	}
}

// A rule of the organisation's own is tested for the criterion that it names, which need not be one
// of ours.
func TestOwnRulesAreInTheMatrix(t *testing.T) {
	f, rules := judgedBy(t, policy.OutcomePass, policy.OutcomePass)
	rules[0] = append(rules[0], policy.RuleResult{Rule: "custom/no-crypto", Control: "CC9.1", Outcome: policy.OutcomePass}, policy.RuleResult{Rule: "custom/ours", Control: "1 of ours", Outcome: policy.OutcomeFail})
	got, err := f.controls()
	if err != nil {
		t.Fatal(err)
	}
	results := map[string]testResult{}
	for _, c := range got.Criteria {
		for _, x := range c.Tests {
			results[c.ID+" "+x.ID] = x
		}
	}
	if x := results["CC9.1 custom/no-crypto"]; x.Tested != 1 || x.Deviations != 0 {
		t.Errorf("custom/no-crypto: got %+v", x.tested)
	}
	if x := results["1 of ours custom/ours"]; x.Tested != 1 || x.Deviations != 1 {
		t.Errorf("custom/ours: got %+v", x.tested)
	}
	f, _ = judgedBy(t, policy.OutcomePass)
	again, err := f.controls()
	if err != nil || len(again.Criteria) != len(matrix) {
		t.Errorf("the matrix has %d criteria after that, %d before: %v", len(again.Criteria), len(matrix), err)
	}
	if got, want := token("1 of ours")+" "+token("custom/ours"), "_1_of_ours custom_ours"; got != want {
		t.Errorf("as OSCAL takes them: got %s, want %s", got, want)
	}
}

// Every rule that is built in is tested for some criterion, the one that it names.
func TestMatrixHasEveryRule(t *testing.T) {
	rules := []string{policy.RuleHumanReview, policy.RuleFreshReview, policy.RuleBranchProtection, policy.RulePolicyIntegrity, policy.RuleValidated,
		policy.RuleIndependentValidation, policy.RuleAgentIdentity, policy.RuleAuthorised, policy.RuleTimely}
	var tests []string
	for _, c := range matrix {
		for _, x := range c.tests {
			if tests = append(tests, x.id); len(x.mapping.SOC2) == 0 || len(x.mapping.NIST) == 0 {
				t.Errorf("%s is mapped to nothing", x.id)
			}
		}
	}
	for _, r := range rules {
		if !slices.Contains(tests, r) {
			t.Errorf("no criterion is tested by %s", r)
		}
	}
}
