package verify

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/countersign/countersign/evidence"
)

// outcome is everything that verifying found out, as --json prints it.
type outcome struct {
	OK     bool            `json:"ok"`
	Report evidence.Report `json:"report"`
	Git    []compared      `json:"git,omitempty"`
	// Broken is the first thing that does not hold; nil: everything held.
	Broken *evidence.BundleError `json:"broken,omitempty"`
}

func (o *outcome) settle(err error) {
	if o.OK = err == nil; o.OK {
		return
	}
	if !errors.As(err, &o.Broken) {
		o.Broken = &evidence.BundleError{What: err.Error()}
	}
}

// print writes a report that an auditor can file. What comes from the bundle is shown without
// control characters.
func (o outcome) print(w io.Writer, bundle string) {
	m := o.Report.Manifest
	say := func(format string, args ...any) { fmt.Fprintln(w, printable(fmt.Sprintf(format, args...))) }
	say("Verification of %s", bundle)
	if m.V != 0 {
		say("")
		say("  organisation  %s", m.Organisation)
		say("  log           %s, %d leaves, as of %s", m.Origin, m.LogSize, m.AsOf.UTC().Format(time.RFC3339))
		say("  period        from %s to before %s", m.Query.From.UTC().Format(time.RFC3339), m.Query.To.UTC().Format(time.RFC3339))
		say("  population    %d changes, %d with deviations, %d without a decision; sample %d; exceptions %d", m.Counts.Population, m.Counts.Deviations, m.Counts.Undecided, m.Counts.Sample, m.Counts.Exceptions)
		say("  made by       %s", m.Generator)
		say("")
	}
	for _, c := range o.Report.Checks {
		say("  ok  %-12s %s", c.Name, c.Did)
	}
	for _, c := range o.Git {
		for _, b := range c.Branches {
			say("  ok  %-12s %s, branch %s: %d updates brought %d first-parent commits; nothing is missing and nothing is extra in %s.", "git", c.Repository, b.Branch, b.Updates, b.Commits, c.Clone)
		}
	}
	for _, u := range o.Report.NotReperformed {
		say("      leaf %d was NOT done again: %s.", u.Leaf, u.Why)
	}
	say("")
	switch {
	case !o.OK:
		say("DOES NOT HOLD: %s", o.Broken)
	case o.Report.SelfAsserted:
		say("Everything holds, if the key is the organisation's: it came out of the bundle, and anybody can make a key.")
		say("Get the log's public key from somebody you trust, compare it with this one, and give it with --key:")
		say("  %s", o.Report.Key)
	default:
		say("Everything holds, by your key %s.", o.Report.Key)
	}
	if o.OK && m.Counts.Gaps+m.Counts.Disposed+m.Counts.DisposedDecisions > 0 {
		say("The records are not complete: %d gaps (completeness.json), %d records disposed of, and %d decisions that could not be made again for that reason (disposals.csv).",
			m.Counts.Gaps, m.Counts.Disposed, m.Counts.DisposedDecisions)
	}
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '�'
		}
		return r
	}, s)
}
