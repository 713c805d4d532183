package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/evidence"
)

// compared is one repository that was compared with a clone.
type compared struct {
	Repository string     `json:"repository"`
	Clone      string     `json:"clone"`
	Branches   []mainline `json:"branches"`
}

// compareClones compares the branches of the population with the clones that were named.
func compareClones(ctx context.Context, lines []evidence.Mainline, clones []string) (out []compared, err error) {
	for _, text := range clones {
		repository, path, named := strings.Cut(text, "=")
		if !named {
			if path, repository, err = text, only(lines), nil; repository == "" {
				return out, fmt.Errorf("the bundle is about several repositories: write --git owner/name=%s", text)
			}
		}
		c := compared{Repository: repository, Clone: path, Branches: []mainline{}}
		for _, m := range lines {
			if !strings.EqualFold(m.Repository, repository) {
				continue
			}
			found, err := clone{path}.compare(ctx, m)
			if err != nil {
				return out, err
			}
			c.Branches = append(c.Branches, found)
		}
		if len(c.Branches) == 0 {
			return out, fmt.Errorf("nothing in the bundle is about the repository %s", repository)
		}
		out = append(out, c)
	}
	return out, nil
}

// only is the one repository of the population; empty: there are several, or none.
func only(lines []evidence.Mainline) string {
	var names []string
	for _, m := range lines {
		names = append(names, m.Repository)
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) != 1 {
		return ""
	}
	return names[0]
}
