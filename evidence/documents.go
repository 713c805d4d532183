package evidence

import "slices"

// document is a file of a bundle that is made of the records alone: whoever verifies the bundle
// makes it again, and compares.
type document struct {
	name string
	make func(f *findings) ([]byte, error)
}

// documents are listed in the order in which they are written.
func documents() []document {
	return []document{
		{"population.csv", func(f *findings) ([]byte, error) { return populationTable(f.changes).csv() }},
		{"completeness.json", func(f *findings) ([]byte, error) { return f.completeness.json() }},
		{"sample.csv", func(f *findings) ([]byte, error) { return sampleTable(f.drawn, f.byID).csv() }},
		{"draws.csv", func(f *findings) ([]byte, error) { return drawsTable(f.draws, f.query).csv() }},
		{"exceptions.csv", func(f *findings) ([]byte, error) {
			return exceptionsTable("exceptions", "Exceptions", f.exceptions, f.query).csv()
		}},
	}
}

func isDocument(name string) bool {
	return slices.ContainsFunc(documents(), func(d document) bool { return d.name == name })
}
