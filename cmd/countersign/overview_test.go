package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The overview's figures are those of a bundle of the same days, and each leads to its rows.
func TestOverview(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	b, page := w.signIn(t, w.carol)
	if !strings.Contains(page, "<h1>Overview</h1>") || !strings.Contains(page, "Nothing reached an enrolled branch in this time") {
		t.Errorf("an overview of nothing: %s", page)
	}
	w.someChanges(t)
	page = b.wantPage("/orgs/acme/overview", http.StatusOK, []string{"5 in all", "1 without a pull request", "75%", "copilot-cloud-agent (4)", "not observable", `role="img"`, "The same as a table"}, "style=")
	figures := bundleFigures(t, w)
	for id, part := range map[string]string{"validation-failures": "%d of %d attempts", "agent-share": ": copilot-cloud-agent %d of %d"} {
		if want := fmt.Sprintf(part, figures[id][0], figures[id][1]); !strings.Contains(page, want) {
			t.Errorf("the bundle's %s is %v, and the overview lacks %q\n%s", id, figures[id], want, page)
		}
	}
	links := regexp.MustCompile(`<a href="(/orgs/acme/merged\?[^"]*)">(\d+) `).FindAllStringSubmatch(page, -1)
	if len(links) < 5 {
		t.Errorf("got links %v", links)
	}
	for _, link := range links {
		list := b.wantPage(strings.ReplaceAll(link[1], "&amp;", "&"), http.StatusOK, []string{"Merged changes"})
		if rows := strings.Count(list, `<th scope="row">`); fmt.Sprint(rows) != link[2] {
			t.Errorf("%s says %s, and its list has %d\n%s", link[1], link[2], rows, list)
		}
	}
	b.wantPage("/orgs/acme/merged?what=direct", http.StatusOK, []string{"no pull request", "acme/sandbox"}, "acme/shop #")
	b.wantPage("/orgs/acme/merged?what=nonsense", http.StatusBadRequest, []string{"There is no list of that name"})
	b.wantPage("/orgs/acme/overview?from=2026-02-02&to=2026-02-01", http.StatusBadRequest, []string{"not after its last"})
	b.wantPage("/orgs/acme/overview?from=2020-01-01&to=2024-01-01", http.StatusOK, []string{"That is all that these figures can say"}, "100%")
	// Somebody who reads one repository sees what is in it.
	erin := w.sim.User("erin")
	w.sandbox.Collaborator(erin, "read")
	viewer, page := w.signIn(t, erin)
	if !strings.Contains(page, "2 in all") || !strings.Contains(page, "Of the repositories that you can read") || strings.Contains(page, "/protection") {
		t.Errorf("a viewer sees %s", page)
	}
	viewer.wantPage("/orgs/acme/merged", http.StatusOK, []string{"acme/sandbox"}, "acme/shop")
}

// bundleFigures are sums of figures of a bundle of today: of the first series, and of the whole.
func bundleFigures(t *testing.T, w *acme) map[string][2]int {
	t.Helper()
	file, _ := w.exported(t)
	var metrics struct {
		Figures []struct {
			ID     string `json:"id"`
			Series []struct {
				Points []struct {
					Value int `json:"value"`
					Of    int `json:"of"`
				} `json:"points"`
			} `json:"series"`
		} `json:"figures"`
	}
	orFatal(t, json.Unmarshal(inBundle(t, file, "metrics.json"), &metrics))
	out := map[string][2]int{}
	for _, f := range metrics.Figures {
		var sums [2]int
		if len(f.Series) > 0 {
			for _, p := range f.Series[0].Points {
				sums[0], sums[1] = sums[0]+p.Value, sums[1]+p.Of
			}
		}
		out[f.ID] = sums
	}
	if out["validation-failures"][1] == 0 || out["agent-share"][0] != 4 {
		t.Fatalf("the bundle of %s has the figures %v", time.Now().Format(time.DateOnly), out)
	}
	return out
}
