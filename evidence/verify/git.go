package verify

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/countersign/countersign/evidence"
	"github.com/countersign/countersign/policy"
)

// noCommit is what git and GitHub write for no commit.
const noCommit = "0000000000000000000000000000000000000000"

// clone is an auditor's own clone of one repository.
type clone struct {
	path string
}

// git runs a command that only reads. Nothing from the bundle reaches it but object ids and names
// that were checked to be none of its options.
func (c clone) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", c.path, "--no-replace-objects"}, args...)...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(wrong.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// mainline is how a branch's history in the clone agrees with the records.
type mainline struct {
	Branch  string `json:"branch"`
	Updates int    `json:"updates"`
	// Commits are the first-parent commits of the period, every one brought by exactly one update.
	Commits int `json:"first_parent_commits"`
}

// compare walks a branch: every update must lead along first parents from where the one before it
// ended, and what the clone has must begin with that.
func (c clone) compare(ctx context.Context, m evidence.Mainline) (mainline, error) {
	out := mainline{Branch: m.Branch, Updates: len(m.Updates)}
	at := ""
	for _, u := range m.Updates {
		if at != "" && u.Before != at {
			return out, c.between(ctx, m, u, at)
		}
		n, err := c.update(ctx, m, u)
		if err != nil {
			return out, err
		}
		out.Commits += n
		at = u.After
	}
	return out, c.tip(ctx, m, at)
}

// update counts the first-parent commits that an update brought, and refuses one that did not
// continue the branch.
func (c clone) update(ctx context.Context, m evidence.Mainline, u evidence.MainlineUpdate) (int, error) {
	if u.After == noCommit {
		return 0, nil
	}
	for _, sha := range []string{u.Before, u.After} {
		if sha == noCommit {
			continue
		}
		if !isObject(sha) {
			return 0, fmt.Errorf("%s: the record of leaf %d names %.60q, which is no commit", where(m), u.Leaf, sha)
		}
		if _, err := c.git(ctx, "cat-file", "-e", sha+"^{commit}"); err != nil {
			return 0, fmt.Errorf("%s: the clone lacks commit %s, which the record of leaf %d says was there: it was removed from the history, or the clone is not complete (git fetch --all)", where(m), sha, u.Leaf)
		}
	}
	if u.Before == noCommit || u.Type == policy.UpdateForcePush {
		return 0, nil // there is a finding about it, or it begins the branch
	}
	list, err := c.git(ctx, "rev-list", "--first-parent", "--parents", u.Before+".."+u.After)
	if err != nil {
		return 0, err
	}
	lines := strings.Split(list, "\n")
	oldest := strings.Fields(lines[len(lines)-1])
	if len(oldest) < 2 || oldest[1] != u.Before {
		return 0, fmt.Errorf("%s: in the clone the first parents of %s do not lead to %s, as the record of leaf %d says: the history was rewritten", where(m), u.After, u.Before, u.Leaf)
	}
	return len(lines), listedAs(m, u, lines)
}

// listedAs compares the first-parent commits of the clone, newest first, each with its parents,
// with those of the record.
func listedAs(m evidence.Mainline, u evidence.MainlineUpdate, lines []string) error {
	if !u.Listed {
		return nil
	}
	var have []string
	for _, line := range slices.Backward(lines) {
		have = append(have, strings.Fields(line)[0])
	}
	if !slices.Equal(have, u.FirstParents) {
		return fmt.Errorf("%s: in the clone %d first-parent commits lead from %s to %s, and they are not the %d that the record of leaf %d lists", where(m), len(have), u.Before, u.After, len(u.FirstParents), u.Leaf)
	}
	return nil
}

// between says what the records leave out between two updates.
func (c clone) between(ctx context.Context, m evidence.Mainline, u evidence.MainlineUpdate, at string) error {
	if isObject(at) && isObject(u.Before) {
		if list, err := c.git(ctx, "rev-list", "--first-parent", at+".."+u.Before); err == nil && list != "" {
			extra := strings.Fields(list)
			return fmt.Errorf("%s: the clone has %d commits between %s and %s that no record tells of, the newest is %s", where(m), len(extra), at, u.Before, extra[0])
		}
	}
	return fmt.Errorf("%s: the update of leaf %d begins at %s, and the one before it ended at %s: something between them has no record", where(m), u.Leaf, u.Before, at)
}

// tip checks that the branch as the clone has it goes on from where the records end.
func (c clone) tip(ctx context.Context, m evidence.Mainline, at string) error {
	if at == noCommit || at == "" {
		return nil
	}
	for _, ref := range []string{"refs/remotes/origin/" + m.Branch, "refs/heads/" + m.Branch} {
		head, err := c.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)
		if err != nil {
			continue
		}
		line, err := c.git(ctx, "rev-list", "--first-parent", head)
		if err != nil {
			return err
		}
		if !strings.Contains("\n"+line+"\n", "\n"+at+"\n") {
			return fmt.Errorf("%s: %s, where the records of the period end, is not on the first-parent history of the branch in the clone: it was rewritten since", where(m), at)
		}
		return nil
	}
	return fmt.Errorf("%s: the clone has no such branch; fetch it, or name a clone that has it", where(m))
}

func where(m evidence.Mainline) string { return m.Repository + ", branch " + m.Branch }

// isObject says whether a text is the id of an object, and so nothing else to git.
func isObject(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
