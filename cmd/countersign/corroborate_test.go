package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/gh/ghsim"
)

// corroborated runs countersign corroborate with carol's token.
func (w *acme) corroborated(file string, more ...string) (string, error) {
	env := map[string]string{"GITHUB_TOKEN": w.carol.Token(), "GITHUB_V3_API_URL": w.sim.URL() + "/api/v3/", "GITHUB_V4_API_URL": w.sim.URL() + "/api/graphql"}
	var out bytes.Buffer
	err := run(context.Background(), append(append([]string{"corroborate"}, more...), file), func(name string) string { return env[name] }, nil, &out, &out)
	return out.String(), err
}

func TestCorroborate(t *testing.T) {
	t.Parallel()
	w := startAcme(t, fast)
	w.someChanges(t)
	file, _ := w.exported(t, "--sample", "5", "--seed", auditorsSeed)
	said, err := w.corroborated(file)
	if err != nil || !strings.Contains(said, "5 changes: 5 agree, 0 differ, of 0 something is no longer there") {
		t.Errorf("nothing has changed on GitHub: %v\n%s", err, said)
	}
	if said, err := w.corroborated(file, "--json"); err != nil || strings.Count(said, `"answer":"agrees"}`+"\n") != 5 {
		t.Errorf("as JSON: %v\n%s", err, said)
	}
}

// What GitHub says otherwise today is named.
func TestCorroborateDiffers(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		alter func(w *acme, review *ghsim.Review, before string)
		want  string
	}{
		"the history was rewritten": {func(w *acme, _ *ghsim.Review, before string) {
			w.shop.Unprotect("main", w.carol)
			w.shop.ForcePush("main", before, w.carol, ghsim.Commit{Message: "begin anew", Files: map[string]string{"x": "y"}})
		}, "is not in the history of main"},
		"a review was dismissed": {func(w *acme, review *ghsim.Review, _ string) { review.Dismiss(w.carol, "late") }, `it is "dismissed", and the records say "approved"`},
	} {
		t.Run(what, func(t *testing.T) {
			w := startAcme(t, fast)
			before := w.shop.Head("main")
			pr := w.copilotPull("altered later")
			review := pr.Approve(w.bob)
			w.wantCheck(t, pr, released)
			mustDo(t, pr.Merge(w.bob, "squash"))
			w.mustSettle(t)
			file, _ := w.exported(t, "--sample", "1", "--seed", auditorsSeed)
			tt.alter(w, review, before)
			said, err := w.corroborated(file)
			if !errors.Is(err, errDiffers) || !strings.Contains(said, tt.want) {
				t.Errorf("got %v, want %q\n%s", err, tt.want, said)
			}
		})
	}
}

// readsOfAnAuditor are those of corroborate: it never says that everything agrees while something
// cannot be read.
func readsOfAnAuditor(t *testing.T, w *acme) beginning {
	mustDo(t, w.greenPull(t, "asked about").Merge(w.bob, "squash"))
	w.mustSettle(t)
	file, _ := w.exported(t, "--sample", "1", "--seed", auditorsSeed)
	return func(*testing.T, string) reading {
		var said string
		var err error
		agrees := func() bool {
			said, err = w.corroborated(file)
			return err == nil && strings.Contains(said, "1 changes: 1 agree")
		}
		return reading{
			happens: func() { agrees() },
			wrong: func() string {
				if err == nil && strings.Contains(said, "1 agree") {
					return "everything agrees:\n" + said
				}
				return ""
			},
			right: agrees,
		}
	}
}
