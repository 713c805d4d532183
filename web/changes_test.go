package web

import (
	"net/url"
	"testing"
)

// The address of the next page has each parameter once, whatever is in it: a list that leads back to
// where it was never ends.
func TestWithParam(t *testing.T) {
	for _, tt := range []struct {
		at    string
		pairs []string
		want  string
	}{
		{"/orgs/a%2Fb/policy", []string{"after", "7"}, "/orgs/a%2Fb/policy?after=7"},
		{"/p?after=5&after_ref=main&class=agent&agent=", []string{"after", "7", "after_ref", "release/1&2#x+y"}, "/p?after=7&after_ref=release%2F1%262%23x%2By&class=agent"},
		{"/p?after=5&class=agent", []string{"after", ""}, "/p?class=agent"},
		{"/p?after=5", []string{"after", ""}, "/p"},
	} {
		u, err := url.Parse(tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := withParam(u, tt.pairs...); got != tt.want {
			t.Errorf("%s with %q: got %s, want %s", tt.at, tt.pairs, got, tt.want)
		}
	}
}
