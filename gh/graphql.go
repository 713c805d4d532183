package gh

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

const maxGraphQLMessages = 10

// GraphQL asks one query and decodes its data. Any entry in the answer's errors makes it
// a *GraphQLError, because something in the data may be null for that reason; into is
// then left alone. A null anywhere in the data is the caller's to judge.
//
// Only of the fields of the query itself that mayMiss names, "there is no such thing" is an
// answer: they are null then. GitHub says the same of what the installation may not see.
//
// Source: https://docs.github.com/graphql/guides/forming-calls-with-graphql
func (c *Client) GraphQL(ctx context.Context, query string, vars map[string]any, into any, mayMiss ...string) error {
	if err := c.graphQL(ctx, query, vars, into, mayMiss); err != nil {
		return fmt.Errorf("graphql query: %w", err)
	}
	return nil
}

func (c *Client) graphQL(ctx context.Context, query string, vars map[string]any, into any, mayMiss []string) error {
	body := struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables,omitempty"`
	}{query, vars}
	req, err := c.api.NewRequest(http.MethodPost, c.graphqlURL, body)
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	a, err := c.exchange(ctx, req, "POST /graphql", graphqlBudget)
	if err != nil {
		return err
	}
	data, err := graphQLData(a, c.now(), mayMiss)
	if err != nil {
		return c.noteLimit(graphqlBudget, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return unavailable("data that does not parse: %v", err)
	}
	return nil
}

// graphQLData returns the data of an answer that is free of errors.
func graphQLData(a answer, now time.Time, mayMiss []string) (json.RawMessage, error) {
	var w struct {
		Data   json.RawMessage   `json:"data"`
		Errors []json.RawMessage `json:"errors"`
	}
	if err := a.decode(&w); err != nil {
		return nil, err
	}
	w.Errors = slices.DeleteFunc(w.Errors, func(raw json.RawMessage) bool { return missing(raw, w.Data, mayMiss) })
	if len(w.Errors) > 0 {
		return nil, graphQLFailure(w.Errors, a, now)
	}
	if len(w.Data) == 0 || string(w.Data) == "null" {
		// A secondary limit can come with status 200 and a message in place of data.
		if limit := rateLimit(a.status, a.header, a.body, now); limit != nil && limit.Secondary {
			return nil, limit
		}
		return nil, unavailable("an answer without data: %q", explanation(a.body))
	}
	return w.Data, nil
}

// missing reports whether an error only says that a field which may be missing is.
func missing(raw, data json.RawMessage, mayMiss []string) bool {
	var e struct {
		Type string `json:"type"`
		Path []any  `json:"path"`
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &e) != nil || e.Type != "NOT_FOUND" || len(e.Path) != 1 || json.Unmarshal(data, &fields) != nil {
		return false
	}
	field, _ := e.Path[0].(string)
	return slices.Contains(mayMiss, field) && string(fields[field]) == "null"
}

// graphQLFailure turns the errors list into a *RateLimitError or a *GraphQLError.
func graphQLFailure(list []json.RawMessage, a answer, now time.Time) error {
	failure := &GraphQLError{}
	for _, raw := range list {
		var e struct {
			Message string `json:"message"`
			Type    string `json:"type"`
		}
		// An entry of another shape is still an error.
		if json.Unmarshal(raw, &e) != nil || (e.Message == "" && e.Type == "") {
			e.Message = string(raw)
		}
		if strings.HasPrefix(e.Type, "RATE_LIMIT") { // RATE_LIMITED, or RATE_LIMIT of late
			return &RateLimitError{Until: bounded(untilReset(a.header, now), now)}
		}
		if secondaryText(e.Message) {
			wait, ok := retryAfter(a.header, now)
			if !ok {
				wait = secondaryWait
			}
			return &RateLimitError{Until: bounded(wait, now), Secondary: true}
		}
		if len(failure.Messages) < maxGraphQLMessages {
			failure.Messages = append(failure.Messages, cut(e.Message))
			failure.Types = append(failure.Types, cut(e.Type))
		}
	}
	return failure
}
