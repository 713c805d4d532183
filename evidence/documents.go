package evidence

import (
	"io"
	"regexp"
)

// document is a file of a bundle that is made of the records alone: whoever verifies the bundle
// makes it again, and compares.
type document struct {
	name string
	make func() ([]byte, error)
}

// documents are listed in the order in which they are written.
func (f *findings) documents() []document {
	out := []document{
		{"completeness.json", f.completeness.json},
		{"sample.csv", func() ([]byte, error) { return f.sampleTable().csv() }},
		{"draws.csv", func() ([]byte, error) { return f.drawsTable().csv() }},
		{"disposals.csv", func() ([]byte, error) { return disposalsTable(f.disposals, f.query).csv() }},
		{"exceptions.csv", func() ([]byte, error) {
			return exceptionsTable("exceptions", "Exceptions", f.exceptions, f.query).csv()
		}},
		{"register.csv", func() ([]byte, error) { return registerTable(f.register, f.query).csv() }},
		{"attributes.csv", tableDocument(f.attributesTable)},
		{"results.json", f.resultsJSON},
		{"emergency.csv", func() ([]byte, error) { return f.emergencyTable().csv() }},
		{"agents.csv", func() ([]byte, error) { return f.agentsTable().csv() }},
		{"subprocessors.csv", func() ([]byte, error) { return f.subprocessorsTable().csv() }},
		{"metrics.json", f.metricsJSON},
		{"protection.csv", func() ([]byte, error) { return protectionTable(f.protections, f.query).csv() }},
		{"bypass-attestations.csv", func() ([]byte, error) { return attestedTable(f.attested, f.query).csv() }},
		{"validation-stack.md", f.validationStack},
		{"controls.json", f.controlsJSON},
		{"controls.html", f.controlsPage},
		{fileOSCALPlan, f.oscalPlan},
		{fileOSCALResults, f.oscalResults},
	}
	out = append(out, f.charts()...)
	out = append(out, f.changePages()...)
	out = append(out, f.statements()...)
	return append(out, f.indexDocument(out))
}

// streamed is a document that can be too large to be in memory: it is written bit by bit.
type streamed struct {
	name  string
	write func(io.Writer) error
}

// streamed are written after the other documents.
func (f *findings) streamed() []streamed {
	return []streamed{
		{"population.csv", populationTable(f.changes).write},
		{"workbook.xlsx", f.workbook},
	}
}

// documentName is what the name of a document may be: no way out of the bundle's folder, and
// nothing that a system takes for something else.
var documentName = regexp.MustCompile(`^([a-z]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)

func isDocument(name string) bool { return documentName.MatchString(name) }
