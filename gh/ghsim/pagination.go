package ghsim

import (
	"fmt"
	"strconv"
	"strings"
)

// page cuts the requested page out of the list and leaves the Link header in c. GitHub's
// default is 30 a page, at most 100.
func page[T any](c *call, list []T) []T {
	size := between(c.query.Get("per_page"), 30, 100)
	at := between(c.query.Get("page"), 1, 1<<30)
	last := max(1, (len(list)+size-1)/size)
	var links []string
	add := func(n int, rel string) {
		links = append(links, fmt.Sprintf("<%s>; rel=%q", c.pageURL(n), rel))
	}
	if at > 1 {
		add(at-1, "prev")
	}
	if at < last {
		add(at+1, "next")
		add(last, "last")
	}
	if at > 1 {
		add(1, "first")
	}
	c.link = strings.Join(links, ", ")
	from := min(len(list), (at-1)*size)
	return list[from:min(len(list), from+size)]
}

func between(text string, otherwise, most int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return otherwise
	}
	return min(n, most)
}

// pageURL is the address of another page of the same list.
func (c *call) pageURL(n int) string {
	query := c.r.URL.Query()
	query.Set("page", strconv.Itoa(n))
	return c.s.baseURL + c.r.URL.EscapedPath() + "?" + query.Encode()
}

// render applies a rendering function to a list; never nil, since GitHub writes [].
func render[T any](list []T, one func(T) obj) []obj {
	out := make([]obj, 0, len(list))
	for _, x := range list {
		out = append(out, one(x))
	}
	return out
}
