package ghsim

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// Limits of GitHub's GraphQL interface.
//
// Source: https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api
const (
	maxPageSize     = 100
	maxQueryNodes   = 500_000
	graphQLPerHour  = 5000
	requestsPerUnit = 100
)

// queryCost is what a query costs before it runs: GitHub assumes that every connection
// is as full as it may be.
type queryCost struct {
	// Nodes is the most nodes that the query may return.
	Nodes int
	// Requests is one per connection and parent.
	Requests int
}

// Points is what the hourly budget is charged: requests by 100, rounded, at least 1.
func (c queryCost) Points() int {
	return max(1, (c.Requests+requestsPerUnit/2)/requestsPerUnit)
}

// costOf walks the operation and adds up its connections. It returns GitHub's error for
// a connection that is asked without a page size, or with one that is too large.
func costOf(doc *ast.QueryDocument, op *ast.OperationDefinition, vars map[string]any) (queryCost, *gqlError) {
	var c queryCost
	if err := c.add(doc, op.SelectionSet, vars, 1, nil); err != nil {
		return c, err
	}
	if c.Nodes > maxQueryNodes {
		return c, &gqlError{Type: "MAX_NODE_LIMIT_EXCEEDED", Message: "This query requests up to " + decimal(c.Nodes) +
			" possible nodes which exceeds the maximum limit of 500,000."}
	}
	return c, nil
}

func (c *queryCost) add(doc *ast.QueryDocument, set ast.SelectionSet, vars map[string]any, parents int, path []any) *gqlError {
	for _, sel := range set {
		var err *gqlError
		switch sel := sel.(type) {
		case *ast.Field:
			err = c.addField(doc, sel, vars, parents, append(path[:len(path):len(path)], sel.Alias))
		case *ast.InlineFragment:
			err = c.add(doc, sel.SelectionSet, vars, parents, path)
		case *ast.FragmentSpread:
			err = c.add(doc, doc.Fragments.ForName(sel.Name).SelectionSet, vars, parents, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *queryCost) addField(doc *ast.QueryDocument, f *ast.Field, vars map[string]any, parents int, path []any) *gqlError {
	if f.Definition != nil && isConnection(f.Definition) {
		size, err := pageSize(f, vars, path)
		if err != nil {
			return err
		}
		c.Requests += parents
		parents *= size
		c.Nodes += parents
		if c.Nodes > 1<<40 { // far beyond the limit: stop before it overflows
			return nil
		}
	}
	return c.add(doc, f.SelectionSet, vars, parents, path)
}

// isConnection says whether a field is one of GitHub's paged lists.
func isConnection(def *ast.FieldDefinition) bool {
	return strings.HasSuffix(def.Type.Name(), "Connection") && def.Arguments.ForName("first") != nil
}

// pageSize is the first or last argument of a connection.
func pageSize(f *ast.Field, vars map[string]any, path []any) (int, *gqlError) {
	args := gqlArgs(f.ArgumentMap(vars))
	for _, name := range []string{"first", "last"} {
		n, given := args.int(name)
		switch {
		case !given:
			continue
		case n > maxPageSize:
			return 0, errorAt(f, path, "EXCESSIVE_PAGINATION", "Requesting %d records on the `%s` connection exceeds the `%s` limit of %d records.", n, f.Name, name, maxPageSize)
		case n < 0:
			return 0, errorAt(f, path, "EXCESSIVE_PAGINATION", "`%s` on the `%s` connection cannot be less than zero.", name, f.Name)
		}
		return n, nil
	}
	return 0, errorAt(f, path, "MISSING_PAGINATION_BOUNDARIES", "You must provide a `first` or `last` value to properly paginate the `%s` connection.", f.Name)
}
