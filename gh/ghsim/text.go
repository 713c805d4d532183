package ghsim

import (
	"encoding/base64"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// decimal writes an id.
func decimal[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }

// branchName is the branch of a ref, "" for other refs.
func branchName(ref string) string {
	name, ok := strings.CutPrefix(ref, "refs/heads/")
	if !ok {
		return ""
	}
	return name
}

// workflowName is what a workflow without a name of its own is called: ".github/workflows/ci.yml" is "ci".
func workflowName(file string) string {
	return strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".yml"), ".yaml")
}

// stamp writes a time as GitHub does, to the second; null for the zero time.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}

// orNull is null for "".
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func lower(s string) string { return strings.ToLower(s) }

// nodeID is a global id as GraphQL uses them: opaque, but stable.
func nodeID(kind string, id int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + ":" + decimal(id)))
}

// escapePath escapes the segments of a path and keeps its slashes.
func escapePath(p string) string {
	return (&url.URL{Path: p}).EscapedPath()
}
