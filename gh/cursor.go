package gh

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
)

// cursored is a list of which GitHub names the pages by cursors.
type cursored[W, T any] struct {
	route string
	args  []string
	param string // of the query that holds the cursor
	item  func(W) (T, error)
}

// page reads the page that a cursor names, the first if it is empty, with the cursor of the next
// one, empty on the last.
func (l cursored[W, T]) page(ctx context.Context, c *Client, filter url.Values, cursor string) (items []T, next string, err error) {
	query := url.Values{}
	maps.Copy(query, filter)
	if cursor != "" {
		query.Set(l.param, cursor)
	}
	// A full page without a link may be the last, or its link got lost on the way, and only the
	// link names the next page. One that is shorter by one and still full must have a link.
	for _, size := range []int{perPage, perPage - 1} {
		query.Set("per_page", strconv.Itoa(size))
		a, err := c.get(ctx, l.route, l.args, query)
		if err != nil {
			return nil, "", err
		}
		p, err := array(l.item)(a.body)
		if err != nil {
			return nil, "", unavailable("a page has not the expected shape: %v", err)
		}
		next, err := nextCursor(a.header, l.param, cursor)
		switch {
		case err != nil:
			return nil, "", err
		case next != "" && len(p.items) == 0:
			return nil, "", unavailable("a page is empty and not the last")
		case next != "" || len(p.items) < size:
			return p.items, next, nil
		}
	}
	return nil, "", unavailable("a full page without a link to the next")
}

// nextCursor is the cursor of the next page, empty on the last one.
func nextCursor(h http.Header, param, current string) (string, error) {
	query, err := nextQuery(h)
	if err != nil || query == nil {
		return "", err
	}
	next := query.Get(param)
	if next == "" || next == current {
		return "", unavailable("the link to the next page has no usable cursor")
	}
	return next, nil
}
