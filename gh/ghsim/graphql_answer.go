package ghsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// gqlAnswer is the body of an answer. Data is absent when the query never ran.
type gqlAnswer struct {
	ran    bool
	data   any // a gqlObject, or nil for null
	errors []*gqlError
}

// encode writes the answer as JSON.
func (a gqlAnswer) encode() ([]byte, error) {
	var buf bytes.Buffer
	var whole gqlObject
	if a.ran {
		whole = append(whole, gqlMember{"data", a.data})
	}
	if len(a.errors) > 0 {
		whole = append(whole, gqlMember{"errors", a.errors})
	}
	err := writeJSON(&buf, whole)
	return buf.Bytes(), err
}

// gqlError is one entry of "errors" as GitHub writes it: the type is beside the message,
// not in the extensions.
type gqlError struct {
	Type       string         `json:"type,omitempty"`
	Code       string         `json:"code,omitempty"`
	Path       []any          `json:"path,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`
	Locations  []gqlLocation  `json:"locations,omitempty"`
	Message    string         `json:"message"`
}

func (e *gqlError) Error() string { return e.Message }

// gqlLocation is a place in the query, counted from 1.
type gqlLocation struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// refusal is what a resolver returns to have an error beside the data, at its field.
func refusal(kind, format string, args ...any) *gqlError {
	return &gqlError{Type: kind, Message: fmt.Sprintf(format, args...)}
}

// forbidden is GitHub's answer for a field that an installation may not read.
func forbidden() *gqlError {
	return &gqlError{Type: "FORBIDDEN", Message: "Resource not accessible by integration", Extensions: map[string]any{"saml_failure": false}}
}

// errorAt is an error at a field of the query.
func errorAt(f *ast.Field, path []any, kind, format string, args ...any) *gqlError {
	e := refusal(kind, format, args...)
	e.Path = path
	e.Locations = locations(f)
	return e
}

func locations(f *ast.Field) []gqlLocation {
	if f.Position == nil {
		return nil
	}
	return []gqlLocation{{Line: f.Position.Line, Column: f.Position.Column}}
}

// validationErrors turns the parser's and the validator's errors into GitHub's form.
func validationErrors(list gqlerror.List) []*gqlError {
	out := make([]*gqlError, 0, len(list))
	for _, e := range list {
		g := &gqlError{Message: e.Message}
		for _, l := range e.Locations {
			g.Locations = append(g.Locations, gqlLocation{Line: l.Line, Column: l.Column})
		}
		if e.Rule != "" {
			g.Extensions = map[string]any{"code": e.Rule}
		}
		out = append(out, g)
	}
	return out
}

// gqlObject is an object of the answer: its fields in the order of the query.
type gqlObject []gqlMember

type gqlMember struct {
	key   string
	value any
}

// writeJSON writes a value of the answer, the fields of objects in their order. It is not
// left to encoding/json, which reads the output of a nested MarshalJSON once more at
// every level.
func writeJSON(buf *bytes.Buffer, value any) error {
	switch v := value.(type) {
	case gqlObject:
		buf.WriteByte('{')
		for i, m := range v {
			if i > 0 {
				buf.WriteByte(',')
			}
			buf.WriteString(strconv.Quote(m.key)) // a GraphQL name: letters, digits and "_"
			buf.WriteByte(':')
			if err := writeJSON(buf, m.value); err != nil {
				return err
			}
		}
		buf.WriteByte('}')
		return nil
	case []any:
		buf.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				buf.WriteByte(',')
			}
			if err := writeJSON(buf, item); err != nil {
				return err
			}
		}
		buf.WriteByte(']')
		return nil
	}
	leaf, err := json.Marshal(value)
	buf.Write(leaf)
	return err
}
