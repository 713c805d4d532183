// Package contract holds the simulated GitHub, and everything of ours that talks to it,
// to GitHub's own OpenAPI description: every request that arrives, every answer that is
// given and every webhook that is sent.
//
// It is for tests. A test that starts a simulated GitHub adds one line:
//
//	contract.Check(t, sim)
//
// and fails at its end when something was on the wire that GitHub would not have
// understood, or would not have said.
package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/countersign/countersign/gh/ghsim/published"
)

// restPrefix is where the simulated GitHub has its REST API, like a GitHub Enterprise
// Server.
const restPrefix = "/api/v3"

// Description is GitHub's OpenAPI description of api.github.com, ready to compare with.
// It does not change and may be used from several goroutines.
type Description struct {
	doc    *openapi3.T
	router routers.Router
	// hooks is the schema of a payload by "event" or "event.action".
	hooks map[string]*openapi3.SchemaRef
}

// load reads the description once per process: it takes 2 seconds and 180 MB.
var load = sync.OnceValues(func() (*Description, error) {
	dir, err := published.CacheDir()
	if err != nil {
		return nil, err
	}
	src, err := published.Load(context.Background(), dir, published.OpenAPI)
	if err != nil {
		return nil, err
	}
	return read(src)
})

// Load gives GitHub's description.
func Load() (*Description, error) { return load() }

// read does not call doc.Validate: GitHub's description does not pass it (an example of
// the wrong type, paths that conflict), and is usable all the same.
func read(src []byte) (*Description, error) {
	doc, err := openapi3.NewLoader().LoadFromData(src)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI description: %w", err)
	}
	doc.Servers = openapi3.Servers{{URL: restPrefix}}
	for _, item := range doc.Paths.Map() {
		item.Servers = nil // uploads.github.com and the like
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI description: %w", err)
	}
	hooks, err := hookSchemas(doc)
	if err != nil {
		return nil, fmt.Errorf("read the OpenAPI description: %w", err)
	}
	return &Description{doc: doc, router: router, hooks: hooks}, nil
}

// hookSchemas finds the schema of every webhook. OpenAPI 3.0 has no webhooks, so GitHub
// keeps them in an extension, by a name that joins event and action, with the event in a
// field of its own.
func hookSchemas(doc *openapi3.T) (map[string]*openapi3.SchemaRef, error) {
	raw, err := json.Marshal(doc.Extensions["x-webhooks"])
	if err != nil {
		return nil, err
	}
	var described map[string]struct {
		Post struct {
			RequestBody struct {
				Content map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					}
				}
			}
			Extension struct{ Subcategory string } `json:"x-github"`
		}
	}
	if err := json.Unmarshal(raw, &described); err != nil {
		return nil, err
	}
	if len(described) == 0 || doc.Components == nil {
		return nil, errors.New("no webhooks are described")
	}
	hooks := map[string]*openapi3.SchemaRef{}
	for name, d := range described {
		event := d.Post.Extension.Subcategory
		action := strings.TrimPrefix(strings.ReplaceAll(name, "-", "_"), event)
		key := event + strings.Replace(action, "_", ".", 1)
		schema := doc.Components.Schemas[strings.TrimPrefix(d.Post.RequestBody.Content["application/json"].Schema.Ref, "#/components/schemas/")]
		if schema == nil {
			return nil, fmt.Errorf("webhook %s has no schema", name)
		}
		hooks[key] = schema
	}
	return hooks, nil
}
