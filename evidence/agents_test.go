package evidence

import (
	"testing"

	"github.com/countersign/countersign/policy"
)

func TestAgentsGolden(t *testing.T) {
	p := month(t, nil)
	f := p.findings()
	golden(t, "agents.csv", p.document(f, "agents.csv"))
	golden(t, "subprocessors.csv", p.document(f, "subprocessors.csv"))
}

// What records from before the measures do not say is said to be missing; an automation has no
// model, and a bot that nobody listed may have one.
func TestAgentsOfOtherRecords(t *testing.T) {
	p := newPeriod(t, nil)
	old := p.decide(p.facts(7, nil))
	old.Measures = nil
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(7, old)}, nil)
	bot := p.decide(p.facts(8, func(f *policy.Facts) {
		byDave(f)
		f.Change.Author = policy.Actor{ID: 4711, Login: "nobody-knows", Type: policy.TypeBot}
	}))
	p.update(policy.UpdateMerge, []policy.MergedChange{merged(8, bot)}, nil)
	f := p.findings()
	agents := p.rowsOf(f, "agents.csv")
	if len(agents) != 2 || agents[0]["vendor"] != notRecorded || agents[1]["agent"] != policy.UnlistedBot || agents[1]["kind"] != policy.KindAgent {
		t.Errorf("got %v", agents)
	}
	parties := p.rowsOf(f, "subprocessors.csv")
	if len(parties) != 4 || parties[0]["name"] != notRecorded || parties[2]["name"] != "unknown" {
		t.Errorf("got %v", parties)
	}
}
