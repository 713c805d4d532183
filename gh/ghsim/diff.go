package ghsim

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fileChange is one file of a comparison, as pulls/{n}/files shows it.
type fileChange struct {
	path, previous       string // previous: path before a rename
	status               string // "added", "removed", "modified", "renamed"
	sha                  string // blob after the change; of a removed file, before it
	patch                string // unified diff without file header
	hasPatch             bool   // false for binary and large files
	additions, deletions int
}

// maxPatchLines is where GitHub stops showing a patch.
const maxPatchLines = 3000

// netDiff is what the pull request changes: the merge base of base tip and head, against head.
func (s *Sim) netDiff(p *pull, head string) []fileChange {
	return p.repo.git.compare(p.repo.git.mergeBase(s.baseTip(p), head), head)
}

// baseTip is the tip of the base branch; of a merged pull request, the base before the merge.
func (s *Sim) baseTip(p *pull) string {
	if tip := p.repo.branch(p.baseRef); tip != "" && !p.merged {
		return tip
	}
	return p.baseSHA
}

// compare lists what changed from one commit to another, by path. Renames are found
// when a removed and an added file share at least half of their lines.
func (g *gitStore) compare(base, head string) []fileChange {
	var key pair
	if c := g.commits[base]; c != nil {
		key.from = c.tree
	}
	if c := g.commits[head]; c != nil {
		key.to = c.tree
	}
	if list, ok := g.diffs[key]; ok {
		return list
	}
	list := append(g.compareFiles(g.files(base), g.files(head)), g.modeChanges(base, head)...)
	slices.SortFunc(list, func(a, b fileChange) int { return strings.Compare(a.path, b.path) })
	g.diffs[key] = list
	return list
}

// modeChanges are the files whose mode alone is another.
func (g *gitStore) modeChanges(base, head string) (list []fileChange) {
	before := g.files(base)
	for path, blob := range g.files(head) {
		if before[path] == blob && g.mode(base, path) != g.mode(head, path) {
			list = append(list, fileChange{path: path, status: "changed", sha: blob})
		}
	}
	return list
}

func (g *gitStore) compareFiles(before, after map[string]string) []fileChange {
	var list []fileChange
	removed := map[string]bool{}
	for path := range before {
		if _, ok := after[path]; !ok {
			removed[path] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(after)) {
		old, existed := before[path]
		switch {
		case existed && old == after[path]:
		case existed:
			list = append(list, g.change("modified", path, "", old, after[path]))
		default:
			list = append(list, g.addedOrRenamed(path, before, after, removed))
		}
	}
	for path := range removed {
		list = append(list, g.change("removed", path, "", before[path], ""))
	}
	return list
}

// addedOrRenamed describes a file that is new at its path. It takes the origin of a
// rename out of removed.
func (g *gitStore) addedOrRenamed(path string, before, after map[string]string, removed map[string]bool) fileChange {
	origin, best := "", 0.5
	for _, candidate := range slices.Sorted(maps.Keys(removed)) {
		if like := similarity(g.blobs[before[candidate]], g.blobs[after[path]]); like > best || (like == best && origin == "") {
			origin, best = candidate, like
		}
	}
	if origin == "" {
		return g.change("added", path, "", "", after[path])
	}
	delete(removed, origin)
	return g.change("renamed", path, origin, before[origin], after[path])
}

// similarity is the share of lines that two contents have in common, 1 for equal ones.
func similarity(a, b []byte) float64 {
	if bytes.Equal(a, b) {
		return 1
	}
	count := map[string]int{}
	la, lb := splitLines(string(a)), splitLines(string(b))
	for _, l := range la {
		count[l]++
	}
	common := 0
	for _, l := range lb {
		if count[l] > 0 {
			count[l]--
			common++
		}
	}
	return float64(2*common) / float64(max(1, len(la)+len(lb)))
}

// change builds the entry of one file with its patch.
func (g *gitStore) change(status, path, previous, old, new string) fileChange {
	f := fileChange{path: path, previous: previous, status: status, sha: new}
	if new == "" {
		f.sha = old
	}
	before, after := g.blobs[old], g.blobs[new]
	if bytes.IndexByte(before, 0) >= 0 || bytes.IndexByte(after, 0) >= 0 {
		return f
	}
	edits := lineEdits(splitLines(string(before)), splitLines(string(after)))
	for _, e := range edits {
		switch e.op {
		case '+':
			f.additions++
		case '-':
			f.deletions++
		}
	}
	if changed := f.additions + f.deletions; changed > 0 && changed <= maxPatchLines {
		f.patch, f.hasPatch = hunks(edits), true
	}
	return f
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// edit is one line of a diff: kept (' '), added ('+') or removed ('-').
type edit struct {
	op   byte
	line string
}

// lineEdits turns a into b: common head and tail are cut off, the middle is aligned by a
// longest common subsequence, or replaced whole when it is too large for that.
func lineEdits(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, edit{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, edit{' ', a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	slices.Reverse(tail)
	return slices.Concat(head, align(a, b), tail)
}

func align(a, b []string) []edit {
	var list []edit
	if len(a)*len(b) > 4_000_000 {
		for _, l := range a {
			list = append(list, edit{'-', l})
		}
		for _, l := range b {
			list = append(list, edit{'+', l})
		}
		return list
	}
	length := make([][]int, len(a)+1) // of the longest common subsequence of a[i:] and b[j:]
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			list = append(list, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || (i < len(a) && length[i+1][j] >= length[i][j+1]):
			list = append(list, edit{'-', a[i]})
			i++
		default:
			list = append(list, edit{'+', b[j]})
			j++
		}
	}
	return list
}

// hunks writes edits as hunks with three lines of context.
func hunks(edits []edit) string {
	const context = 3
	var out []string
	for start := 0; start < len(edits); {
		if edits[start].op == ' ' {
			start++
			continue
		}
		from := max(0, start-context)
		end, quiet := start, 0
		for end < len(edits) && quiet <= 2*context {
			if edits[end].op == ' ' {
				quiet++
			} else {
				quiet = 0
			}
			end++
		}
		to := end - max(0, quiet-context)
		out = append(out, hunk(edits, from, to))
		start = end
	}
	return strings.Join(out, "\n")
}

// hunk writes edits[from:to] with its header.
func hunk(edits []edit, from, to int) string {
	oldLine, newLine := 1, 1
	for _, e := range edits[:from] {
		if e.op != '+' {
			oldLine++
		}
		if e.op != '-' {
			newLine++
		}
	}
	oldCount, newCount := 0, 0
	lines := make([]string, 0, to-from)
	for _, e := range edits[from:to] {
		if e.op != '+' {
			oldCount++
		}
		if e.op != '-' {
			newCount++
		}
		lines = append(lines, string(e.op)+e.line)
	}
	side := func(line, count int) string {
		switch count {
		case 0:
			return fmt.Sprintf("%d,0", line-1)
		case 1:
			return fmt.Sprint(line)
		}
		return fmt.Sprintf("%d,%d", line, count)
	}
	return "@@ -" + side(oldLine, oldCount) + " +" + side(newLine, newCount) + " @@\n" + strings.Join(lines, "\n")
}

// patchID identifies a net diff by what it does to each file, whatever the line numbers.
// Equal ids are what makes GitHub keep reviews after a rebase.
func patchID(files []fileChange) string {
	var b strings.Builder
	for _, f := range files {
		body := f.sha
		if f.hasPatch {
			var kept []string
			for line := range strings.SplitSeq(f.patch, "\n") {
				if !strings.HasPrefix(line, "@@ ") {
					kept = append(kept, line)
				}
			}
			body = strings.Join(kept, "\n")
		}
		fmt.Fprintf(&b, "%s\x00%s\x00%s\x00%s\x00", f.path, f.previous, f.status, body)
	}
	return object("patch", []byte(b.String()))
}
