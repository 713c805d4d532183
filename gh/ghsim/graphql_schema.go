package ghsim

import (
	"context"
	"fmt"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/countersign/countersign/gh/ghsim/published"
)

// githubSchema is GitHub's real GraphQL schema. It is read once per process: it never
// changes, and parsing its 1.2 MB for every simulated GitHub of a test binary would cost
// more than the tests.
var githubSchema = sync.OnceValues(func() (*ast.Schema, error) {
	dir, err := published.CacheDir()
	if err != nil {
		return nil, err
	}
	src, err := published.Load(context.Background(), dir, published.GraphQLSchema)
	if err != nil {
		return nil, err
	}
	return parseSchema(string(src))
})

// parseSchema reads a schema. GitHub's defines two fields of EnterpriseOwnerInfo twice,
// which a strict loader refuses, so repeated fields are dropped first.
func parseSchema(src string) (*ast.Schema, error) {
	doc, err := parser.ParseSchemas(validator.Prelude, &ast.Source{Name: "schema.graphql", Input: src})
	if err != nil {
		return nil, fmt.Errorf("parse the GraphQL schema: %w", err)
	}
	for _, def := range doc.Definitions {
		def.Fields = withoutRepeated(def.Fields)
	}
	schema, err := validator.ValidateSchemaDocument(doc)
	if err != nil {
		return nil, fmt.Errorf("validate the GraphQL schema: %w", err)
	}
	return schema, nil
}

// withoutRepeated keeps the first field of every name.
func withoutRepeated(fields ast.FieldList) ast.FieldList {
	seen := make(map[string]bool, len(fields))
	kept := make(ast.FieldList, 0, len(fields))
	for _, f := range fields {
		if !seen[f.Name] {
			seen[f.Name] = true
			kept = append(kept, f)
		}
	}
	return kept
}
