package ghsim

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"strings"
)

// connection is a page of one of GitHub's paged lists.
type connection struct {
	all   []any
	begin int // index in all of the page's first item
	page  []any
}

// paged cuts one page out of a list, by the arguments first, after, last and before.
// items is a slice of anything.
func paged(items any, args gqlArgs) (any, error) {
	v := reflect.ValueOf(items)
	all := make([]any, v.Len())
	for i := range all {
		all[i] = v.Index(i).Interface()
	}
	begin, end := 0, len(all)
	if after := args.string("after"); after != "" {
		i, err := cursorPosition(after)
		if err != nil {
			return nil, err
		}
		begin = min(i+1, end)
	}
	if before := args.string("before"); before != "" {
		i, err := cursorPosition(before)
		if err != nil {
			return nil, err
		}
		end = max(begin, min(i, end))
	}
	if n, given := args.int("first"); given {
		end = min(end, begin+n)
	} else if n, given := args.int("last"); given {
		begin = max(begin, end-n)
	}
	return &connection{all: all, begin: begin, page: all[begin:end]}, nil
}

const cursorPrefix = "cursor:v2:"

// cursor is opaque to callers, as GitHub's is.
func cursor(i int) string {
	return base64.StdEncoding.EncodeToString([]byte(cursorPrefix + strconv.Itoa(i)))
}

func cursorPosition(cursor string) (int, error) {
	raw, err := base64.StdEncoding.DecodeString(cursor)
	text, is := strings.CutPrefix(string(raw), cursorPrefix)
	i, numErr := strconv.Atoi(text)
	if err != nil || !is || numErr != nil || i < 0 {
		return 0, refusal("INVALID_CURSOR_ARGUMENTS", "`%s` does not appear to be a valid cursor.", cursor)
	}
	return i, nil
}

// pageInfo answers PageInfo.
var pageInfo = map[string]resolver{
	"hasNextPage":     on(func(c *connection) any { return c.begin+len(c.page) < len(c.all) }),
	"hasPreviousPage": on(func(c *connection) any { return c.begin > 0 }),
	"startCursor": on(func(c *connection) any {
		if len(c.page) == 0 {
			return nil
		}
		return cursor(c.begin)
	}),
	"endCursor": on(func(c *connection) any {
		if len(c.page) == 0 {
			return nil
		}
		return cursor(c.begin + len(c.page) - 1)
	}),
}

// everyConnection answers the fields that all connection types share.
var everyConnection = map[string]resolver{
	"nodes":      on(func(c *connection) any { return c.page }),
	"totalCount": on(func(c *connection) any { return len(c.all) }),
	"pageInfo":   on(func(c *connection) any { return c }),
}

// resolverOf finds the resolver of a field, nil when it is not simulated.
func resolverOf(typeName, field string) resolver {
	if r := resolvers[typeName][field]; r != nil {
		return r
	}
	if r := timelineTypes[typeName][field]; r != nil {
		return r
	}
	if strings.HasSuffix(typeName, "Connection") {
		return everyConnection[field]
	}
	return nil
}

// on makes a resolver of a function that needs only the object.
func on[T any](f func(T) any) resolver {
	return func(_ *gqlQuery, of any, _ gqlArgs) (any, error) { return f(of.(T)), nil }
}

// in makes a resolver of a function that needs the query and the arguments too.
func in[T any](f func(q *gqlQuery, of T, args gqlArgs) (any, error)) resolver {
	return func(q *gqlQuery, of any, args gqlArgs) (any, error) { return f(q, of.(T), args) }
}
