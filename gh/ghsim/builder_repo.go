package ghsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Repo is a repository.
type Repo struct {
	s *Sim
	r *repo
}

// RepoSpec describes a repository. The zero value is private, allows every merge method
// and has a README on main.
type RepoSpec struct {
	ID            int64 // 0: made up
	Public        bool
	DefaultBranch string            // "" is "main"
	Files         map[string]string // of the first commit, by path
	By            Actor             // who makes the first commit; nil: an owner of the organisation, or GitHub
	Description   string
	NoMergeCommit bool
	NoSquash      bool
	NoRebase      bool
}

// Repo returns the organisation's repository and makes it when there is none.
func (o *Org) Repo(name string, spec RepoSpec) *Repo {
	o.s.mu.Lock()
	defer o.s.mu.Unlock()
	if r := o.s.repository(o.o.account.login, name); r != nil {
		return &Repo{o.s, r}
	}
	r := o.s.newRepo(o.o.account, name, spec)
	o.o.repos = append(o.o.repos, r)
	files := spec.Files
	if files == nil {
		files = map[string]string{"README.md": "# " + name + "\n"}
	}
	by := o.firstCommitter(spec.By)
	sha := o.s.commitOn(r, "", by, Commit{Message: "Initial commit", Files: files})
	o.s.moveRef(r, "refs/heads/"+r.defaultBranch, sha, by, "")
	return &Repo{o.s, r}
}

func (o *Org) firstCommitter(by Actor) *account {
	if by != nil {
		return by.actsAs()
	}
	for _, id := range slices.Sorted(maps.Keys(o.o.members)) {
		if o.o.members[id] == "admin" {
			return o.s.accounts[id]
		}
	}
	return o.s.account("web-flow")
}

func (s *Sim) newRepo(owner *account, name string, spec RepoSpec) *repo {
	if spec.ID == 0 {
		spec.ID = s.nextID()
	}
	if spec.DefaultBranch == "" {
		spec.DefaultBranch = "main"
	}
	r := &repo{id: spec.ID, owner: owner, name: name, private: !spec.Public, description: spec.Description, defaultBranch: spec.DefaultBranch,
		settings:  repoSettings{allowMerge: !spec.NoMergeCommit, allowSquash: !spec.NoSquash, allowRebase: !spec.NoRebase, allowAutoMerge: true},
		createdAt: s.now(), git: newGitStore(), refs: map[string]string{}, collaborators: map[int64]string{}, teams: map[*team]string{},
		suitesAt: map[string][]*checkSuite{}, runsAt: map[string][]*checkRun{}, statuses: map[string][]*commitStatus{},
		queues: map[string]*mergeQueue{}, pushes: map[string]*refUpdate{}}
	r.updatedAt, r.pushedAt = r.createdAt, r.createdAt
	s.repos[r.id] = r
	s.repoName[strings.ToLower(r.fullName())] = r
	return r
}

// Fork makes a fork owned by the user, with all branches.
func (r *Repo) Fork(owner *User) *Repo {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	f := r.s.newRepo(owner.a, r.r.name, RepoSpec{Public: !r.r.private, DefaultBranch: r.r.defaultBranch})
	f.git = r.r.git
	maps.Copy(f.refs, r.r.refs)
	return &Repo{r.s, f}
}

// ID is the repository's numeric id.
func (r *Repo) ID() int64 { return r.r.id }

// FullName is "owner/name".
func (r *Repo) FullName() string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.r.fullName()
}

// Collaborator gives the account a role: "read", "triage", "write", "maintain", "admin";
// "" takes it away.
func (r *Repo) Collaborator(who Actor, role string) *Repo {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if role == "" {
		delete(r.r.collaborators, who.actsAs().id)
		return r
	}
	r.r.collaborators[who.actsAs().id] = role
	return r
}

// TeamRole gives the team a role on the repository.
func (r *Repo) TeamRole(t *Team, role string) *Repo {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.r.teams[t.t] = role
	return r
}

// Commit describes a commit.
type Commit struct {
	Message string
	Files   map[string]string // path -> new content
	Delete  []string
	Rename  map[string]string // old path -> new path; Files may change the content too
	Mode    map[string]string // path -> git's mode, for example 100755 or 120000
	Merges  []string          // further parents, after the one that it is made on
	// Author and Committer default to whoever pushes. AuthorName and AuthorEmail replace what
	// git says; GitHub links the account that the e-mail belongs to, if any.
	Author, Committer             Actor
	AuthorName, AuthorEmail       string
	CommitterName, CommitterEmail string
	Signed                        bool // verified signature of the committer
	ByGitHub                      bool // made in the browser or by the API: web-flow commits and signs
}

// Head is the SHA at the tip of the branch, "" when there is no such branch.
func (r *Repo) Head(branch string) string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.r.branch(branch)
}

// File is the content of a file at a ref; ok is false when it is not there.
func (r *Repo) File(ref, path string) (content string, ok bool) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if c := r.r.commitOf(ref); c != nil {
		var blob string
		if blob, ok = r.r.git.files(c.sha)[path]; ok {
			return string(r.r.git.blobs[blob]), true
		}
	}
	return "", false
}

// Push commits on the branch and pushes; a new branch starts at the default branch. It
// returns the new tip, and panics when the branch refuses: see TryPush.
func (r *Repo) Push(branch string, by Actor, commits ...Commit) string {
	return must(r.TryPush(branch, by, commits...))
}

func must(sha string, err error) string {
	if err != nil {
		panic(err)
	}
	return sha
}

// TryPush is Push that returns what the branch says when it refuses.
func (r *Repo) TryPush(branch string, by Actor, commits ...Commit) (string, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	from := r.r.branch(branch)
	if from == "" {
		from = r.r.branch(r.r.defaultBranch)
	}
	return r.s.push(r.r, branch, from, by.actsAs(), commits)
}

// ForcePush makes the branch the commits on top of from, whatever it was before, and
// panics when the branch refuses.
func (r *Repo) ForcePush(branch, from string, by Actor, commits ...Commit) string {
	return must(r.TryForcePush(branch, from, by, commits...))
}

// TryForcePush is ForcePush that returns what the branch says when it refuses.
func (r *Repo) TryForcePush(branch, from string, by Actor, commits ...Commit) (string, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.s.push(r.r, branch, from, by.actsAs(), commits)
}

// PushTo moves the branch to a commit that exists, for example an approved head straight
// to main.
func (r *Repo) PushTo(branch, sha string, by Actor) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	_, err := r.s.push(r.r, branch, sha, by.actsAs(), nil)
	return err
}

// push commits on from and moves the branch there, if it may be moved.
func (s *Sim) push(r *repo, branch, from string, by *account, commits []Commit) (string, error) {
	tip := from
	for _, c := range commits {
		tip = s.commitOn(r, tip, by, c)
	}
	if why := s.pushRefused(r, branch, r.branch(branch), tip, by); why != "" {
		return "", fmt.Errorf("%w: push to %s: %s", errBlocked, branch, why)
	}
	s.moveRef(r, "refs/heads/"+branch, tip, by, "")
	return tip, nil
}

// Tag makes a tag at a commit, or moves it there.
func (r *Repo) Tag(name, sha string, by Actor) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.moveRef(r.r, "refs/tags/"+name, sha, by.actsAs(), "")
}

// DeleteBranch deletes the branch, if it may be deleted.
func (r *Repo) DeleteBranch(branch string, by Actor) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if why := r.s.pushRefused(r.r, branch, r.r.branch(branch), "", by.actsAs()); why != "" {
		return fmt.Errorf("%w: delete %s: %s", errBlocked, branch, why)
	}
	r.s.moveRef(r.r, "refs/heads/"+branch, "", by.actsAs(), "")
	return nil
}

// commitOn makes a commit on parent ("" for the first one) without moving any branch.
func (s *Sim) commitOn(r *repo, parent string, by *account, spec Commit) string {
	files := maps.Clone(r.git.files(parent))
	if files == nil {
		files = map[string]string{}
	}
	for old, new := range spec.Rename {
		files[new] = files[old]
		delete(files, old)
	}
	for path, content := range spec.Files {
		files[path] = r.git.addBlob([]byte(content))
	}
	for _, path := range spec.Delete {
		delete(files, path)
	}
	modes := map[string]string{}
	for path := range files {
		if m := r.git.mode(parent, path); m != plainMode {
			modes[path] = m
		}
	}
	maps.Copy(modes, spec.Mode)
	maps.DeleteFunc(modes, func(path, mode string) bool { return files[path] == "" || mode == plainMode })
	c := &commit{tree: r.git.addTree(files, modes), message: spec.Message, viaWeb: spec.ByGitHub, coauthors: s.coauthors(spec.Message), signature: signature{reason: "unsigned"}}
	if parent != "" {
		c.parents = append([]string{parent}, spec.Merges...)
	}
	c.author = s.identify(by, spec.Author, spec.AuthorName, spec.AuthorEmail)
	c.committer = s.identify(by, spec.Committer, spec.CommitterName, spec.CommitterEmail)
	if spec.ByGitHub {
		c.committer = identity{"GitHub", "noreply@github.com", c.author.at, s.account("web-flow")}
	}
	if spec.Signed || spec.ByGitHub {
		c.signature = signature{present: true, verified: true, byGitHub: spec.ByGitHub, signer: c.committer.account, reason: "valid", at: c.committer.at}
	}
	return r.git.addCommit(c)
}

// identify works out an author or committer from what the spec gives.
func (s *Sim) identify(by *account, who Actor, name, email string) identity {
	if who != nil {
		by = who.actsAs()
	}
	i := identity{name: display(by), email: by.noreply(), at: s.now(), account: by}
	if by.email != "" {
		i.email = by.email
	}
	if name != "" {
		i.name = name
	}
	if email != "" {
		i.email, i.account = email, s.byEmail(email)
	}
	return i
}

// Rename gives the repository another name; the old one redirects.
func (r *Repo) Rename(name string, by Actor) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	from := r.r.name
	r.r.name = name
	r.s.repoName[strings.ToLower(r.r.fullName())] = r.r
	r.s.emitRepository(r.r, "renamed", by.actsAs(), obj{"changes": obj{"repository": obj{"name": obj{"from": from}}}})
}

// Transfer gives the repository to another organisation; the old name redirects. Only the new
// owner's installations are told.
func (r *Repo) Transfer(to *Org, by Actor) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	from := r.r.owner
	if o := r.s.orgs[from.id]; o != nil {
		o.repos = slices.DeleteFunc(o.repos, func(x *repo) bool { return x == r.r })
	}
	to.o.repos = append(to.o.repos, r.r)
	r.r.owner = to.o.account
	r.s.repoName[strings.ToLower(r.r.fullName())] = r.r
	r.s.emitRepository(r.r, "transferred", by.actsAs(), obj{"changes": obj{"owner": obj{"from": obj{"organization": r.s.renderUser(from)}}}})
}

// RenameBranch gives a branch another name: it is made under that and deleted under the old one,
// and pull requests into it follow.
func (r *Repo) RenameBranch(old, name string, by Actor) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if r.r.defaultBranch == old {
		r.r.defaultBranch = name
	}
	r.s.moveRef(r.r, "refs/heads/"+name, r.r.branch(old), by.actsAs(), "")
	for _, p := range r.r.pulls {
		if p.state == "open" && p.baseRef == old {
			p.baseRef = name
		}
	}
	r.s.moveRef(r.r, "refs/heads/"+old, "", by.actsAs(), "")
}

// Forget drops what the repository's activity lists from before a time: GitHub keeps it for a
// limited time.
func (r *Repo) Forget(before time.Time) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.r.activity = slices.DeleteFunc(r.r.activity, func(u *refUpdate) bool { return u.at.Before(before) })
}

// Archive makes the repository read-only, as far as its flag goes.
func (r *Repo) Archive(by Actor) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.r.archived = true
	r.s.emitRepository(r.r, "archived", by.actsAs(), obj{})
}
