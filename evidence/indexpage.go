package evidence

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/policy"
)

// indexPage is the first page of a bundle: what it is about and what it does not show, then
// everything else.
type indexPage struct {
	Log          signedLog
	Organisation string
	From, To     time.Time
	Ground       []fact
	Whole        bool
	Branches     []branchLine
	Gaps         []shownGap
	Blind        []shownException
	Restored     []Restored
	Unreadable   []shownChange
	NotRead      []shownUnenrolled
	Unread       int // changes whose newest decision could not be made
	Totals       totals
	Reconciled   *reconciled // nil: nothing was missing
	Limits       []string
	Strata       []stratumLine
	Sample       []shownChange
	Drawn        bool
	Found        []shownChange // with deviations, and not in the sample
	Exceptions   []shownException
	Files        []shownFile
}

type shownGap struct {
	gap
	Repository, Branch string
}

type shownUnenrolled struct {
	unenrolled
	Repository, Branch string
}

// shownChange is one line about a change, which leads to its page.
type shownChange struct {
	Place                           int // in the sample; 0: not in it
	Title, Page, At, Class, Verdict string
	Kinds, Unknown                  []string
	Deviates                        bool
}

type stratumLine struct {
	Class               string
	Changes, Deviations int
}

type shownFile struct{ Name, What string }

// indexDocument is the first page, which lists the others.
func (f *findings) indexDocument(others []document) document {
	return document{name: "index.html", make: func() ([]byte, error) {
		p, err := f.indexPage()
		if err != nil {
			return nil, err
		}
		for _, d := range others {
			p.Files = append(p.Files, shownFile{d.name, aboutFile(d.name)})
		}
		for _, d := range f.streamed() {
			p.Files = append(p.Files, shownFile{d.name, aboutFile(d.name)})
		}
		slices.SortFunc(p.Files, func(a, b shownFile) int {
			return cmp.Or(strings.Count(a.Name, "/")-strings.Count(b.Name, "/"), strings.Compare(a.Name, b.Name))
		})
		for _, name := range []string{fileManifest, fileSignature, fileCheckpoint, fileKey, fileLeaves, fileRecords, fileDecisions, fileCosigned} {
			p.Files = append(p.Files, shownFile{name, aboutFile(name)})
		}
		return page("index.html", p)
	}}
}

// aboutFile says what a file of a bundle is; empty where its name says it.
func aboutFile(name string) string {
	folder, _, deep := strings.Cut(name, "/")
	if deep && folder != "log" {
		name = folder + "/"
	}
	return map[string]string{
		"population.csv": "every change that reached an enrolled branch in the period", "completeness.json": "what the population was reconciled with, and what came of it",
		"sample.csv": "the sample, in the order in which it was drawn", "draws.csv": "every sample that was ever drawn of any part of the period",
		"disposals.csv":  "what was disposed of, by the certificates in the log",
		"exceptions.csv": "every exception that was open in the period", "protection.csv": "how each branch was protected, from when to when",
		"bypass-attestations.csv": "what owners showed of who may bypass rulesets", "validation-stack.md": "which tests and checks the policies asked for",
		"attributes.csv": "what an auditor tests of each change, attribute by attribute", "results.json": "what the sample and the population showed, in figures",
		"emergency.csv": "emergencies, direct pushes and merges that no decision let in", "agents.csv": "the agents of the period", "subprocessors.csv": "who runs them and their models",
		"metrics.json": "figures of the period, each with the rows that it came from", "charts/": "a figure as a picture", "workbook.xlsx": "all tables, a sheet each",
		"register.csv":  "documents that no program can produce, and what was found of each",
		"controls.html": "criteria, what was tested for each, and the results", "controls.json": "the same for programs",
		fileOSCALPlan: "NIST OSCAL: what was to be assessed", fileOSCALResults: "NIST OSCAL: what was found",
		"changes/": "one change, readable", "attestations/": "in-toto statement, signed (DSSE)",
		fileManifest: "digest of every file, query and counts", fileSignature: "the manifest's signature by the log's key", fileCheckpoint: "the log's size and root, signed",
		fileKey: "the log's public key, by the bundle's own word", fileLeaves: "every leaf of the log, one a line", fileRecords: "the records of the period, with their salts",
		fileDecisions: "the records of decisions, with their salts", fileCosigned: "what each witness cosigned of the log; may be empty",
	}[name]
}

func (f *findings) indexPage() (p indexPage, err error) {
	t := f.completeness.Totals
	p = indexPage{Log: f.log, Organisation: f.organisation, From: f.query.From, To: f.query.To, Ground: f.scope(), Branches: f.completeness.Branches, Totals: t, Limits: limits(), Restored: f.completeness.Restored, Reconciled: f.completeness.Reconciled,
		Strata: f.strata(), Drawn: f.draw != nil}
	for _, b := range p.Branches {
		for _, g := range b.Gaps {
			p.Gaps = append(p.Gaps, shownGap{g, b.Repository, b.Branch})
		}
		for _, u := range b.Unenrolled {
			if u.Why != "" {
				p.NotRead = append(p.NotRead, shownUnenrolled{u, b.Repository, b.Branch})
			}
		}
	}
	for _, e := range f.exceptions {
		shown := showException(e, f.query)
		if p.Exceptions = append(p.Exceptions, shown); shown.Kind == kindBlind {
			p.Blind = append(p.Blind, shown)
		}
	}
	if err := f.showChanges(&p); err != nil {
		return p, err
	}
	p.Whole = t.Commits.Unexplained+t.Commits.UpdatesNotListed+t.Gaps+t.BlindIntervals+t.RecordsDisposed+t.DecisionsDisposed+t.NotRead+p.Unread+len(p.Unreadable)+len(p.Restored) == 0
	return p, nil
}

// scope is what the bundle is about: the facts that tell how it came about.
func (f *findings) scope() []fact {
	out := []fact{
		{Name: "Organisation", Value: f.organisation},
		{Name: "Period", Value: fmt.Sprintf("from %s to before %s, by GitHub's time of each update", moment(f.query.From), moment(f.query.To))},
		{Name: "Population", Value: fmt.Sprintf("every update of an enrolled branch in the period: %d changes in %d updates; %d branches were enrolled", f.counts.Population, f.completeness.Totals.Updates, f.completeness.enrolledThen()) + f.earlierInWords()},
		{Name: "Digest of the population's ids", Value: f.digest, Code: true},
		{Name: "Log", Value: f.log.Origin, Code: true},
		{Name: "Size and root of the log", Value: fmt.Sprintf("%d leaves, %s", f.log.Size, f.log.RootHex())},
		{Name: "As of", Value: moment(f.log.AsOf) + ", when the newest leaf was recorded, by the server's clock"},
	}
	d := f.draw
	if d == nil {
		return append(out, fact{Name: "Sample", Value: "none was asked for: what every change rests on is in the bundle"})
	}
	by := "the auditor"
	if d.SeedBy == seedByLog {
		by = fmt.Sprintf("the log: the checkpoint that ends with leaf %d, the first after the period", d.SeedLeaf)
	}
	how := fmt.Sprintf("%d of %d changes (%s), by %s", len(f.drawn), d.Population, sizesText(d.Sizes), d.Algorithm)
	if d.Plan != nil {
		how += fmt.Sprintf("; planned for %v confidence and a tolerable rate of %v, with %d deviations allowed", d.Plan.Confidence, d.Plan.Tolerable, d.Allowed)
	}
	return append(out, fact{Name: "Sample", Value: how}, fact{Name: "Seed of the sample", Value: fmt.Sprintf("%x, given by %s", []byte(d.Seed), by)})
}

// earlierInWords says how much of the population came before there was anything to test.
func (f *findings) earlierInWords() string {
	if f.counts.BeforeInstallation == 0 {
		return ""
	}
	return fmt.Sprintf(". Of the changes, %d came before their branch was enrolled: they were read from GitHub's list afterwards, nothing was decided about them, and they are not tested", f.counts.BeforeInstallation)
}

// strata count the population by the class of authorship.
func (f *findings) strata() (out []stratumLine) {
	lines := map[string]*stratumLine{}
	for _, c := range f.changes {
		name := c.stratum()
		if lines[name] == nil {
			lines[name] = &stratumLine{Class: classOfStratum(name)}
		}
		lines[name].Changes++
		if c.deviates() {
			lines[name].Deviations++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lines)) {
		out = append(out, *lines[name])
	}
	return out
}

// classOfStratum says what is in a stratum.
func classOfStratum(name string) string {
	switch policy.Class(name) {
	case policy.ClassAgent:
		return "by an AI agent"
	case policy.ClassAssisted:
		return "by a person, with traces of an AI agent"
	case policy.ClassSuggestion:
		return "by a person who accepted suggestions of an AI reviewer"
	case policy.ClassAutomation:
		return "by automation"
	case policy.ClassPlatform:
		return "by GitHub itself"
	case policy.ClassUndetected:
		return "no agent indicator found"
	}
	return name
}

// showChanges lists the changes that have a page, and what could not be read for them.
func (f *findings) showChanges(p *indexPage) error {
	places := map[string]int{}
	for _, d := range f.drawn {
		places[d.ID] = d.Place
	}
	for _, c := range f.changes {
		if c.verdict == policy.VerdictUndecided {
			p.Unread++
		}
		if !f.shown(c) {
			continue
		}
		u := c.update
		s := shownChange{Place: places[c.id()], Title: c.title(), Page: c.pageName(), At: moment(u.at), Class: classOfStratum(c.stratum()), Verdict: string(c.verdict), Kinds: c.kinds, Deviates: c.deviates()}
		unknown, err := f.unknown(c)
		if err != nil {
			return err
		}
		if s.Unknown = unknown; len(unknown) > 0 {
			p.Unreadable = append(p.Unreadable, s)
		}
		if s.Place > 0 {
			p.Sample = append(p.Sample, s)
		} else {
			p.Found = append(p.Found, s)
		}
	}
	slices.SortFunc(p.Sample, func(a, b shownChange) int { return a.Place - b.Place })
	return nil
}

// unknown are the rules of the change's decisions that could not be judged, because a fact that
// they need could not be read.
func (f *findings) unknown(c change) (out []string, err error) {
	for _, leaf := range c.decisions() {
		j, err := f.judged(leaf)
		if err != nil {
			return nil, err
		}
		for _, r := range j.decision.Rules {
			if r.Unknown {
				out = append(out, r.Rule)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
