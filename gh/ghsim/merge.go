package ghsim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var zeroTime time.Time

// errBlocked is what a refused merge is: its text names everything that blocks.
var errBlocked = errors.New("not mergeable")

// mergePull merges if GitHub's gate lets the account. method is "merge", "squash" or "rebase".
func (s *Sim) mergePull(p *pull, by *account, method string) error {
	if rank[s.role(p.repo, by)] < rank["write"] && (by.app == nil || !s.countsAsReviewer(p.repo, by)) {
		return fmt.Errorf("%w: %s has no write access", errBlocked, by.login)
	}
	if list := s.blockers(p, by, method); len(list) > 0 {
		return fmt.Errorf("%w: %s", errBlocked, strings.Join(list, "; "))
	}
	base := p.repo.branch(p.baseRef)
	sha, err := s.makeMerge(p, base, by, method)
	if err != nil {
		return err
	}
	s.finishMerge(p, by, base, sha, "pr_merge")
	return nil
}

// finishMerge moves the base to the merge and marks the pull request.
func (s *Sim) finishMerge(p *pull, by *account, base, sha, kind string) {
	p.baseSHA = base
	s.markMerged(p, by, sha)
	s.moveRef(p.repo, "refs/heads/"+p.baseRef, sha, by, kind)
	if p.repo.settings.deleteBranchOnMerge && p.headRepo == p.repo {
		s.moveRef(p.repo, "refs/heads/"+p.headRef, "", by, "")
	}
	s.settle(p.repo)
}

// makeMerge makes the commit, or commits, that merging onto base gives.
func (s *Sim) makeMerge(p *pull, base string, by *account, method string) (string, error) {
	g := p.repo.git
	merged, conflicts := g.mergeTrees(g.files(g.mergeBase(base, p.headSHA)), g.files(base), g.files(p.headSHA))
	if len(conflicts) > 0 {
		return "", fmt.Errorf("%w: merge conflicts in %v", errBlocked, conflicts)
	}
	switch method {
	case "merge":
		message := fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", p.number, p.headRepoOrBase().owner.login, p.headRef, p.title)
		return s.platformCommit(p.repo, by, g.addTree(merged, g.modesOf(merged, base, p.headSHA)), []string{base, p.headSHA}, message), nil
	case "squash":
		return s.platformCommit(p.repo, p.author, g.addTree(merged, g.modesOf(merged, base, p.headSHA)), []string{base}, fmt.Sprintf("%s (#%d)", p.title, p.number)), nil
	case "rebase":
		return s.rebase(p, base, by)
	}
	return "", fmt.Errorf("ghsim: merge method %q", method)
}

// platformCommit makes a commit of the author that GitHub (web-flow) commits and signs.
func (s *Sim) platformCommit(r *repo, author *account, tree string, parents []string, message string) string {
	at := s.now()
	flow := s.account("web-flow")
	return r.git.addCommit(&commit{
		tree: tree, parents: parents, message: message, viaWeb: true,
		author:    identity{display(author), author.noreply(), at, author},
		committer: identity{"GitHub", "noreply@github.com", at, flow},
		coauthors: s.coauthors(message),
		signature: signature{present: true, verified: true, byGitHub: true, signer: flow, reason: "valid", at: at},
	})
}

// display is the name that the account's commits carry.
func display(a *account) string {
	if a.name != "" {
		return a.name
	}
	return a.login
}

// rebase puts the commits of the pull request, one by one, onto base. GitHub makes new ones of
// them even where they stand on base already, so their times differ.
func (s *Sim) rebase(p *pull, base string, by *account) (string, error) {
	g, tip := p.repo.git, base
	for _, c := range g.between(base, p.headSHA) {
		if len(c.parents) > 1 {
			continue
		}
		merged, conflicts := g.mergeTrees(g.files(c.parents[0]), g.files(tip), g.files(c.sha))
		if len(conflicts) > 0 {
			return "", fmt.Errorf("%w: rebase conflicts in %v", errBlocked, conflicts)
		}
		at := s.now()
		if at.Unix() == c.committer.at.Unix() {
			at = c.committer.at.Add(time.Second)
		}
		committer := identity{display(by), by.noreply(), at, by}
		tip = g.addCommit(&commit{tree: g.addTree(merged, g.modesOf(merged, tip, c.sha)), parents: []string{tip}, author: c.author,
			committer: committer, coauthors: c.coauthors, message: c.message, signature: signature{reason: "unsigned"}})
	}
	return tip, nil
}

// markMerged closes a pull request as merged.
func (s *Sim) markMerged(p *pull, by *account, sha string) {
	p.merged, p.state = true, "closed"
	p.mergedAt = s.now()
	p.closedAt, p.updatedAt = p.mergedAt, p.mergedAt
	p.mergedBy, p.mergeSHA = by, sha
	p.autoMerge = nil
	s.note(p, timelineEvent{kind: "MergedEvent", actor: by, commit: sha, ref: p.baseRef})
	s.note(p, timelineEvent{kind: "ClosedEvent", actor: by})
	s.emitPull(p, "closed", by, nil)
	if p.baseRef == p.repo.defaultBranch {
		s.closeIssues(p, by)
	}
}

// closeIssues closes the issues that the pull request said it would.
func (s *Sim) closeIssues(p *pull, by *account) {
	for _, i := range p.closes {
		s.closeIssue(p.repo, i, by, "completed", p)
	}
}

// updateBranch merges the base into the head branch: GitHub's "Update branch" button.
func (s *Sim) updateBranch(p *pull, by *account) error {
	g, base := p.repo.git, s.baseTip(p)
	merged, conflicts := g.mergeTrees(g.files(g.mergeBase(base, p.headSHA)), g.files(p.headSHA), g.files(base))
	if len(conflicts) > 0 {
		return fmt.Errorf("%w: merge conflicts in %v", errBlocked, conflicts)
	}
	message := fmt.Sprintf("Merge branch '%s' into %s", p.baseRef, p.headRef)
	sha := s.platformCommit(p.headRepoOrBase(), by, g.addTree(merged, g.modesOf(merged, base, p.headSHA)), []string{p.headSHA, base}, message)
	s.moveRef(p.headRepoOrBase(), "refs/heads/"+p.headRef, sha, by, "")
	return nil
}

// enableAutoMerge merges as soon as nothing blocks any more.
func (s *Sim) enableAutoMerge(p *pull, by *account, method string) {
	p.autoMerge = &autoMerge{by: by, method: method, at: s.now()}
	s.note(p, timelineEvent{kind: "AutoMergeEnabledEvent", actor: by})
	s.emitPull(p, "auto_merge_enabled", by, nil)
	s.settle(p.repo)
}

func (s *Sim) disableAutoMerge(p *pull, by *account, reason string) {
	if p.autoMerge == nil {
		return
	}
	p.autoMerge = nil
	s.note(p, timelineEvent{kind: "AutoMergeDisabledEvent", actor: by, message: reason})
	s.emitPull(p, "auto_merge_disabled", by, obj{"reason": reason})
}

// settle does what GitHub does by itself after a check or a review: auto-merge and the
// merge queue go on when nothing blocks them.
func (s *Sim) settle(r *repo) {
	for _, p := range slices.Clone(r.pulls) {
		if p.state != "open" || p.autoMerge == nil {
			continue
		}
		if auto := p.autoMerge; len(s.blockers(p, auto.by, auto.method)) == 0 {
			if sha, err := s.makeMerge(p, r.branch(p.baseRef), auto.by, auto.method); err == nil {
				s.finishMerge(p, auto.by, r.branch(p.baseRef), sha, "pr_merge")
			}
		}
	}
	for _, q := range r.queues {
		s.advance(r, q)
	}
}
