package ghsim

import (
	"net/url"
	"strings"
)

// route is one operation of the REST API.
type route struct {
	method  string
	pattern string // "/repos/{owner}/{repo}/pulls/{number}"; "{name...}" takes several segments
	// permission and level are what a token needs on the repository or the organisation of
	// the path: "checks", "write". "" needs no more than to be signed in; see handler.
	permission, level string
	// onPulls is a permission that is as good where {number} is a pull request; "" is none.
	onPulls  string
	handle   func(*call) (*answer, error)
	segments []string
}

// name is how logs and faults call the route: "GET /repos/{owner}/{repo}".
func (r *route) name() string { return r.method + " " + r.pattern }

// router finds routes. It does not change after newRouter.
type router struct{ routes []*route }

func newRouter(routes []*route) *router {
	for _, r := range routes {
		r.segments = strings.Split(strings.Trim(r.pattern, "/"), "/")
	}
	return &router{routes: routes}
}

// find returns the route and the values of its parameters. path is escaped and without
// the /api/v3 prefix.
func (r *router) find(method, path string) (*route, map[string]string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for _, candidate := range r.routes {
		values := map[string]string{}
		if candidate.method == method && matchSegments(candidate.segments, parts, values) {
			return candidate, values
		}
	}
	return nil, nil
}

// matchSegments matches parts against a pattern and collects the parameters, unescaped.
func matchSegments(pattern, parts []string, values map[string]string) bool {
	if len(pattern) == 0 {
		return len(parts) == 0
	}
	name, isParam := strings.CutPrefix(pattern[0], "{")
	name = strings.TrimSuffix(name, "}")
	if !isParam {
		return len(parts) > 0 && parts[0] == pattern[0] && matchSegments(pattern[1:], parts[1:], values)
	}
	most := 1
	name, many := strings.CutSuffix(name, "...")
	if many {
		most = len(parts)
	}
	for n := min(most, len(parts)); n >= 1; n-- {
		if !matchSegments(pattern[1:], parts[n:], values) {
			continue
		}
		value, err := url.PathUnescape(strings.Join(parts[:n], "/"))
		values[name] = value
		return err == nil && value != ""
	}
	return false
}
