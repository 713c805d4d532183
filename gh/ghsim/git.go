package ghsim

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// zeroSHA stands for "no commit" in pushes and activity.
const zeroSHA = "0000000000000000000000000000000000000000"

// gitStore holds the objects of a repository and of its forks. Object names are git's
// own: a blob that this store holds has the name that `git hash-object` prints.
type gitStore struct {
	blobs   map[string][]byte
	trees   map[string]map[string]string // tree SHA -> path -> blob SHA, of the whole tree
	subtree map[string]map[string]string // tree SHA -> directory path -> tree SHA
	modes   map[string]map[string]string // tree SHA -> path -> mode, of files that are not plainMode
	commits map[string]*commit
	// What was worked out before, by pairs of names. Objects never change, so none of it
	// goes stale.
	diffs  map[pair][]fileChange // of two trees
	bases  map[pair]string       // merge bases of two commits
	ranges map[pair][]*commit    // commits from one to another
}

// pair names two objects.
type pair struct{ from, to string }

func newGitStore() *gitStore {
	return &gitStore{blobs: map[string][]byte{}, trees: map[string]map[string]string{},
		subtree: map[string]map[string]string{}, modes: map[string]map[string]string{}, commits: map[string]*commit{}, diffs: map[pair][]fileChange{}, bases: map[pair]string{}, ranges: map[pair][]*commit{}}
}

// identity is an author or a committer: what git has, and the account that GitHub links
// to the e-mail address (nil: none).
type identity struct {
	name, email string
	at          time.Time
	account     *account
}

// commit is a git commit and what GitHub knows about it.
type commit struct {
	sha       string
	tree      string
	parents   []string
	author    identity
	committer identity
	coauthors []identity // from Co-authored-by trailers, with the accounts that GitHub links
	message   string
	signature signature
	viaWeb    bool // made by GitHub itself for somebody
}

// headline is the first line of the message.
func (c *commit) headline() string {
	first, _, _ := strings.Cut(c.message, "\n")
	return first
}

// signature is a commit's signature as GitHub verified it.
type signature struct {
	present  bool
	verified bool
	byGitHub bool
	signer   *account
	reason   string // "valid", "unsigned", "bad_email", "unknown_key", …
	at       time.Time
}

// object names data of a kind as git does.
func object(kind string, data []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", kind, len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// addBlob stores content and returns its name.
func (g *gitStore) addBlob(content []byte) string {
	sha := object("blob", content)
	if _, ok := g.blobs[sha]; !ok {
		g.blobs[sha] = slices.Clone(content)
	}
	return sha
}

// plainMode is git's mode of a file that nobody made executable.
const plainMode = "100644"

// addTree stores a tree given as path -> blob name, and the modes of what is not a plain
// file, and returns its name.
func (g *gitStore) addTree(files, modes map[string]string) string {
	dirs := map[string]string{}
	sha := treeName("", files, modes, dirs, func([]byte) {})
	if _, ok := g.trees[sha]; !ok {
		g.trees[sha], g.subtree[sha], g.modes[sha] = maps.Clone(files), dirs, maps.Clone(modes)
	}
	return sha
}

// mode is a file's mode in a commit.
func (g *gitStore) mode(sha, path string) string {
	if c := g.commits[sha]; c != nil {
		if m, ok := g.modes[c.tree][path]; ok {
			return m
		}
	}
	return plainMode
}

// modesOf are the modes of files that come from several commits, the last that has a file
// with the same content winning.
func (g *gitStore) modesOf(files map[string]string, from ...string) map[string]string {
	modes := map[string]string{}
	for _, sha := range from {
		for path, blob := range g.files(sha) {
			if files[path] != blob {
				continue
			}
			if m := g.mode(sha, path); m != plainMode {
				modes[path] = m
			}
		}
	}
	return modes
}

// treeName computes git's name of the files below prefix ("" or "dir/") and records
// every directory in dirs. Each is told of the content of the tree and of every directory.
func treeName(prefix string, files, modes, dirs map[string]string, each func(data []byte)) string {
	type entry struct{ mode, name, sha string }
	var entries []entry
	seen := map[string]bool{}
	for path, blob := range files {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok {
			continue
		}
		dir, _, nested := strings.Cut(rest, "/")
		switch {
		case !nested:
			entries = append(entries, entry{cmp.Or(modes[path], plainMode), rest, blob})
		case !seen[dir]:
			seen[dir] = true
			entries = append(entries, entry{"40000", dir, treeName(prefix+dir+"/", files, modes, dirs, each)})
		}
	}
	key := func(e entry) string { // git sorts directories as if their name ended in a slash
		if e.mode == "40000" {
			return e.name + "/"
		}
		return e.name
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(key(a), key(b)) })
	var data []byte
	for _, e := range entries {
		raw, _ := hex.DecodeString(e.sha)
		data = append(append(data, e.mode+" "+e.name+"\x00"...), raw...)
	}
	each(data)
	sha := object("tree", data)
	if prefix != "" {
		dirs[strings.TrimSuffix(prefix, "/")] = sha
	}
	return sha
}

// addCommit stores the commit under git's name for it, fills c.sha and returns it.
func (g *gitStore) addCommit(c *commit) string {
	text := c.text()
	c.sha = object("commit", []byte(text))
	for n := 1; g.commits[c.sha] != nil && !sameCommit(g.commits[c.sha], c); n++ {
		c.sha = object("commit", []byte(text+strconv.Itoa(n)))
	}
	g.commits[c.sha] = c
	return c.sha
}

// text is the commit as git writes it.
func (c *commit) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", c.tree)
	for _, p := range c.parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	for _, who := range []struct {
		role string
		identity
	}{{"author", c.author}, {"committer", c.committer}} {
		fmt.Fprintf(&b, "%s %s <%s> %d +0000\n", who.role, who.name, who.email, who.at.Unix())
	}
	fmt.Fprintf(&b, "\n%s\n", c.message)
	return b.String()
}

// sameCommit says whether two commits with one name carry the same of what GitHub adds.
func sameCommit(a, b *commit) bool {
	return a.author.account == b.author.account && a.committer.account == b.committer.account && a.viaWeb == b.viaWeb
}

// files is the tree of a commit as path -> blob name; nil for "" and zeroSHA.
func (g *gitStore) files(sha string) map[string]string {
	if c := g.commits[sha]; c != nil {
		return g.trees[c.tree]
	}
	return nil
}

// ancestors is the set of commits reachable from sha, itself included.
func (g *gitStore) ancestors(sha string) map[string]bool {
	seen, todo := map[string]bool{}, []string{sha}
	for len(todo) > 0 {
		next := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		c := g.commits[next]
		if c == nil || seen[next] {
			continue
		}
		seen[next] = true
		todo = append(todo, c.parents...)
	}
	return seen
}

// reaches says whether ancestor is reachable from sha.
func (g *gitStore) reaches(sha, ancestor string) bool { return g.ancestors(sha)[ancestor] }

// mergeBase is the best common ancestor of a and b, "" when there is none.
func (g *gitStore) mergeBase(a, b string) string {
	base, known := g.bases[pair{a, b}]
	if !known {
		base = g.findMergeBase(a, b)
		g.bases[pair{a, b}] = base
	}
	return base
}

func (g *gitStore) findMergeBase(a, b string) string {
	common := g.ancestors(a)
	seen, todo := map[string]bool{}, []string{b}
	for len(todo) > 0 { // breadth first from b: the nearest common commit
		next := todo[0]
		todo = todo[1:]
		if common[next] {
			return next
		}
		if c := g.commits[next]; c != nil && !seen[next] {
			seen[next] = true
			todo = append(todo, c.parents...)
		}
	}
	return ""
}

// between lists the commits reachable from head and not from base, oldest first.
func (g *gitStore) between(base, head string) []*commit {
	list, known := g.ranges[pair{base, head}]
	if !known {
		list = g.walk(base, head)
		g.ranges[pair{base, head}] = list
	}
	return list
}

func (g *gitStore) walk(base, head string) []*commit {
	hidden := g.ancestors(base)
	var list []*commit
	seen := map[string]bool{}
	var visit func(sha string)
	visit = func(sha string) {
		c := g.commits[sha]
		if c == nil || hidden[sha] || seen[sha] {
			return
		}
		seen[sha] = true
		for _, p := range c.parents {
			visit(p)
		}
		list = append(list, c)
	}
	visit(head)
	return list
}

// mergeTrees merges the changes that theirs made since base into ours, file by file. It
// returns the merged files and the paths that both sides changed differently.
func (g *gitStore) mergeTrees(base, ours, theirs map[string]string) (merged map[string]string, conflicts []string) {
	merged = maps.Clone(ours)
	if merged == nil {
		merged = map[string]string{}
	}
	paths := maps.Clone(base)
	if paths == nil {
		paths = map[string]string{}
	}
	maps.Copy(paths, theirs)
	for path := range paths {
		was, mine, new := base[path], ours[path], theirs[path]
		switch {
		case new == was || new == mine: // they left it alone, or both did the same
		case mine != was:
			conflicts = append(conflicts, path)
		case new == "":
			delete(merged, path)
		default:
			merged[path] = new
		}
	}
	slices.Sort(conflicts)
	return merged, conflicts
}
