package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/countersign/countersign/gh/ghsim"
)

// Violation is one difference from GitHub's description.
type Violation struct {
	// Where is the operation or the webhook: "GET /repos/{owner}/{repo}: answer 200",
	// "webhook pull_request.opened".
	Where string
	// What says what is wrong, with the place in the JSON.
	What string
}

func (v Violation) String() string { return v.Where + ": " + v.What }

// Exchange compares a request and its answer.
func (d *Description) Exchange(x ghsim.Exchange) []Violation {
	route, params, err := d.find(x.Request)
	if err != nil {
		return []Violation{{x.Request.Method + " " + x.Request.URL.Path, "GitHub has no such operation: " + err.Error()}}
	}
	input := &openapi3filter.RequestValidationInput{
		Request: withBody(x.Request, x.RequestBody), PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
			SkipSettingDefaults: true, IncludeResponseStatus: x.Status < 400,
		},
	}
	where := route.Method + " " + route.Path
	list := violations(where+": request", openapi3filter.ValidateRequest(context.Background(), input))
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.Status, Header: x.Header, Options: input.Options,
		Body: io.NopCloser(bytes.NewReader(x.Body)),
	}
	return append(list, violations(fmt.Sprintf("%s: answer %d", where, x.Status), openapi3filter.ValidateResponse(context.Background(), answer))...)
}

// withBody is a copy of the request whose body can be read again.
func withBody(r *http.Request, body []byte) *http.Request {
	again := r.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		again.Body = http.NoBody
	}
	return again
}

// byID is how GitHub redirects from a repository's former name; it is documented, but not
// described.
var byID = regexp.MustCompile(`^(/api/v3)/repositories/[0-9]+(/|$)`)

// find looks the operation up. A path inside a repository may stand for several
// segments, which OpenAPI cannot say: it is looked up with its slashes escaped.
func (d *Description) find(r *http.Request) (*routers.Route, map[string]string, error) {
	again := *r
	u := *r.URL
	again.URL = &u
	u.RawPath = byID.ReplaceAllString(u.EscapedPath(), "$1/repos/owner/name$2")
	if before, path, is := strings.Cut(u.RawPath, "/contents/"); is {
		u.RawPath = before + "/contents/" + strings.ReplaceAll(path, "/", "%2F")
	}
	var err error
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return nil, nil, err
	}
	return d.router.FindRoute(&again)
}

// Hook compares a webhook.
func (d *Description) Hook(s ghsim.Sent) []Violation {
	var payload any
	if err := json.Unmarshal(s.Payload, &payload); err != nil {
		return []Violation{{"webhook " + s.Event, err.Error()}}
	}
	name := s.Event
	schema := d.hooks[name]
	if object, is := payload.(map[string]any); is && schema == nil {
		name = fmt.Sprintf("%s.%v", s.Event, object["action"])
		schema = d.hooks[name]
	}
	if schema == nil {
		return []Violation{{"webhook " + name, "GitHub has no such event"}}
	}
	return violations("webhook "+name, schema.Value.VisitJSON(payload, openapi3.MultiErrors()))
}

// violations flattens an error of kin-openapi.
func violations(where string, err error) []Violation {
	var list []Violation
	for _, e := range flatten(err) {
		if v := (Violation{where, text(e)}); !contradicted(v) {
			list = append(list, v)
		}
	}
	return list
}

func flatten(err error) []error {
	var many openapi3.MultiError
	var request *openapi3filter.RequestError
	var response *openapi3filter.ResponseError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &request) && request.Err != nil && errors.As(request.Err, &many) && request.Parameter == nil:
	case errors.As(err, &response) && response.Err != nil && errors.As(response.Err, &many):
	case errors.As(err, &many):
	default:
		return []error{err}
	}
	var list []error
	for _, e := range many {
		list = append(list, flatten(e)...)
	}
	return list
}

// text says what is wrong in one line, beginning with the place in the JSON.
func text(err error) string {
	var schema *openapi3.SchemaError
	if !errors.As(err, &schema) {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return line
	}
	reason, _, _ := strings.Cut(schema.Reason, "(string doesn't match pattern") // a screenful
	what := fmt.Sprintf("/%s: %.200s", strings.Join(schema.JSONPointer(), "/"), strings.TrimSpace(reason))
	if schema.SchemaField == "required" { // the value is the whole object around what is missing
		return what
	}
	value, _ := json.Marshal(schema.Value)
	return fmt.Sprintf("%s (got %.200s)", what, value)
}
