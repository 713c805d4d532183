package gh_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/gh"
)

func TestAnnotations(t *testing.T) {
	s := newServer(t)
	s.rest("POST /repos/acme/shop/check-runs", 201, answered)
	w := completed()
	w.Annotations = []gh.Annotation{
		{Path: "a.yml", Line: 3, Column: 5, Level: "failure", Message: "is wrong \xff"}, {Path: "a.yml", Line: 1, Level: "warning", Message: "is odd"},
	}
	c := s.client(t)
	if _, err := c.CreateCheckRun(t.Context(), repo, w); err != nil {
		t.Fatal(err)
	}
	want := []any{
		map[string]any{"path": "a.yml", "start_line": 3.0, "end_line": 3.0, "start_column": 5.0, "end_column": 5.0, "annotation_level": "failure", "message": "is wrong \uFFFD"},
		map[string]any{"path": "a.yml", "start_line": 1.0, "end_line": 1.0, "annotation_level": "warning", "message": "is odd"},
	}
	if diff := cmp.Diff(want, sent(t, s.body("POST"))["output"].(map[string]any)["annotations"]); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	good := w.Annotations[0]
	for name, list := range map[string][]gh.Annotation{
		"too many":   slices.Repeat([]gh.Annotation{good}, gh.MaxAnnotations+1),
		"no path":    {{Line: 1, Level: "failure", Message: "m"}},
		"no line":    {{Path: "a", Level: "failure", Message: "m"}},
		"no message": {{Path: "a", Line: 1, Level: "failure"}},
		"no level":   {{Path: "a", Line: 1, Message: "m"}},
		"too long":   {{Path: "a", Line: 1, Level: "failure", Message: strings.Repeat("m", 64<<10+1)}},
	} {
		w.Annotations = list
		if _, err := c.CreateCheckRun(t.Context(), repo, w); !errors.Is(err, gh.ErrInvalid) {
			t.Errorf("%s: got %v, want ErrInvalid", name, err)
		}
	}
	if n := len(s.requests()); n != 1 {
		t.Errorf("%d requests, want 1: what GitHub would refuse is not sent", n)
	}
}

// Only what may be missing may be, only by being not found, and only as a whole.
func TestGraphQLFieldThatMayBeMissing(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"missing":            {`{"data":{"x":1,"y":null},"errors":[{"type":"NOT_FOUND","path":["y"],"message":"Could not resolve"}]}`, nil},
		"there":              {`{"data":{"x":1,"y":2}}`, nil},
		"forbidden":          {`{"data":{"x":1,"y":null},"errors":[{"type":"FORBIDDEN","path":["y"],"message":"no"}]}`, gh.ErrGraphQL},
		"another one":        {`{"data":{"x":null,"y":2},"errors":[{"type":"NOT_FOUND","path":["x"],"message":"no"}]}`, gh.ErrGraphQL},
		"both":               {`{"data":{"x":null,"y":null},"errors":[{"type":"NOT_FOUND","path":["y"],"message":"no"},{"type":"NOT_FOUND","path":["x"],"message":"no"}]}`, gh.ErrGraphQL},
		"something under it": {`{"data":{"x":1,"y":{"z":null}},"errors":[{"type":"NOT_FOUND","path":["y","z"],"message":"no"}]}`, gh.ErrGraphQL},
		"there all the same": {`{"data":{"x":1,"y":2},"errors":[{"type":"NOT_FOUND","path":["y"],"message":"no"}]}`, gh.ErrGraphQL},
		"left out":           {`{"data":{"x":1},"errors":[{"type":"NOT_FOUND","path":["y"],"message":"no"}]}`, gh.ErrGraphQL},
	} {
		s := newServer(t)
		s.graphql(200, c.body)
		var data struct {
			X int
			Y *int
		}
		if err := s.client(t).GraphQL(t.Context(), "{x y}", nil, &data, "y"); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
