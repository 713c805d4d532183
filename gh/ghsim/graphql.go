package ghsim

import (
	"encoding/json"
	"net/http"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// maxGraphQLBody bounds a request; GitHub's own limit is not documented.
const maxGraphQLBody = 1 << 20

// graphqlState is what the GraphQL executor keeps between requests. The embedded parts
// have their own locks; the rest is guarded by Sim.mu.
type graphqlState struct {
	schema  schemaOnce
	queries preparedQueries
	faults  []*GraphQLFault
}

// serveGraphQL answers POST /api/graphql. It is called without Sim.mu held.
//
// The query is checked against GitHub's real schema and then executed over the world.
// As on GitHub, everything that goes wrong in a query has status 200.
func (s *Sim) serveGraphQL(w http.ResponseWriter, r *http.Request, v *viewer) {
	if v == nil || v.user == nil && v.installation == nil {
		refuseGraphQL(w, http.StatusUnauthorized, "This endpoint requires you to be authenticated.")
		return
	}
	schema, err := s.graphql.schema.get(s.options.Schema)
	if err != nil {
		refuseGraphQL(w, http.StatusNotImplemented, "the simulated GitHub has no GraphQL schema: "+err.Error())
		return
	}
	var ask struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxGraphQLBody))
	body.UseNumber()
	if err := body.Decode(&ask); err != nil {
		refuseGraphQL(w, http.StatusBadRequest, "Problems parsing JSON")
		return
	}
	if ask.Query == "" {
		s.writeGraphQL(w, v, gqlAnswer{errors: []*gqlError{{Message: "A query attribute must be specified and must be a string."}}})
		return
	}
	doc, op, errs := s.graphql.queries.prepare(schema, ask.Query, ask.OperationName)
	if errs != nil {
		s.writeGraphQL(w, v, gqlAnswer{errors: errs})
		return
	}
	vars, verr := validator.VariableValues(schema, op, ask.Variables)
	if verr != nil {
		s.writeGraphQL(w, v, gqlAnswer{errors: []*gqlError{{Message: verr.Error()}}})
		return
	}
	cost, tooMuch := costOf(doc, op, vars)
	if tooMuch != nil {
		s.writeGraphQL(w, v, gqlAnswer{errors: []*gqlError{tooMuch}})
		return
	}
	s.writeGraphQL(w, v, s.executeGraphQL(&gqlQuery{sim: s, viewer: v, schema: schema, doc: doc, op: op, vars: vars, cost: cost}))
}

// executeGraphQL charges the caller and runs the query over one state of the world.
func (s *Sim) executeGraphQL(q *gqlQuery) gqlAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	budget := s.budgetOf(q.viewer, "graphql")
	if budget.remaining() < q.cost.Points() {
		budget.used = budget.limit
		return gqlAnswer{errors: []*gqlError{{Type: "RATE_LIMIT", Code: "graphql_rate_limit", Message: "API rate limit already exceeded for " + q.viewer.title() + "."}}}
	}
	budget.used += q.cost.Points()
	q.budget = *budget
	q.faults = s.graphql.take()
	data := q.run()
	return gqlAnswer{ran: true, data: data, errors: q.errors}
}

// title is how GitHub calls the viewer in a rate limit's message.
func (v *viewer) title() string {
	if v.installation != nil {
		return "installation ID " + decimal(v.installation.id)
	}
	return "user ID " + decimal(v.user.id)
}

func (s *Sim) writeGraphQL(w http.ResponseWriter, v *viewer, a gqlAnswer) {
	s.mu.Lock()
	budget := *s.budgetOf(v, "graphql")
	s.mu.Unlock()
	budget.header(w.Header(), "graphql")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	body, err := a.encode()
	if err != nil {
		refuseGraphQL(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Write(body)
}

// refuseGraphQL answers as GitHub does before it looks at a query.
func refuseGraphQL(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	body, _ := json.Marshal(map[string]string{"message": message, "documentation_url": "https://docs.github.com/graphql"})
	w.Write(body)
}

// schemaOnce parses the schema at the first query.
type schemaOnce struct {
	once   sync.Once
	schema *ast.Schema
	err    error
}

// get parses src, or takes GitHub's published schema when src is empty.
func (o *schemaOnce) get(src []byte) (*ast.Schema, error) {
	o.once.Do(func() {
		if len(src) == 0 {
			o.schema, o.err = githubSchema()
			return
		}
		o.schema, o.err = parseSchema(string(src))
	})
	return o.schema, o.err
}

// maxPrepared bounds how many checked queries are kept.
const maxPrepared = 64

// preparedQueries keeps queries that were parsed and checked: a client sends the same
// few texts again and again.
type preparedQueries struct {
	mu   sync.Mutex
	docs map[string]*ast.QueryDocument
}

// prepare gives the checked query and its operation, or GitHub's errors.
func (p *preparedQueries) prepare(schema *ast.Schema, text, operation string) (*ast.QueryDocument, *ast.OperationDefinition, []*gqlError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	doc := p.docs[text]
	if doc == nil {
		var errs []*gqlError
		if doc, errs = checkQuery(schema, text); errs != nil {
			return nil, nil, errs
		}
		if p.docs == nil || len(p.docs) >= maxPrepared {
			p.docs = map[string]*ast.QueryDocument{}
		}
		p.docs[text] = doc
	}
	op := doc.Operations.ForName(operation)
	switch {
	case op == nil && operation == "":
		return nil, nil, []*gqlError{{Message: "An operation name is required"}}
	case op == nil:
		return nil, nil, []*gqlError{{Message: "No operation named \"" + operation + "\""}}
	case op.Operation != ast.Query:
		return nil, nil, []*gqlError{refusal("NOT_SIMULATED", "the simulated GitHub answers queries only, not a %s", op.Operation)}
	}
	return doc, op, nil
}

// checkQuery parses a query and validates it against the schema.
func checkQuery(schema *ast.Schema, text string) (*ast.QueryDocument, []*gqlError) {
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		var list gqlerror.List
		if e, is := err.(*gqlerror.Error); is {
			list = gqlerror.List{e}
		} else {
			list = gqlerror.List{{Message: err.Error()}}
		}
		return nil, validationErrors(list)
	}
	if errs := validator.ValidateWithRules(schema, doc, nil); len(errs) > 0 {
		return nil, validationErrors(errs)
	}
	return doc, nil
}
