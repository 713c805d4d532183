package main

import (
	"strings"
	"testing"
)

// What agents did is listed, what people did is not.
func TestAgentsActivity(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	pr := w.greenPull(t, "active")
	for _, c := range []struct {
		args        []string
		want, never string
	}{
		{nil, "pull_request opened  " + pr.Repo().FullName(), "bob"},
		{[]string{"--json"}, `"event":"pull_request opened"`, `"login":"bob"`},
		{[]string{"--agent", "nobody"}, "No event of an agent", "Copilot"},
		{[]string{"--to", "2020-01-01"}, "No event of an agent", "Copilot"},
	} {
		out, err := w.command(t, append([]string{"agents", "activity", "--org", "acme"}, c.args...)...)
		if err != nil || !strings.Contains(out, c.want) || strings.Contains(out, c.never) {
			t.Errorf("%v: %v\n%s", c.args, err, out)
		}
	}
}
