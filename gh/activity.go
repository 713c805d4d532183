package gh

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// RefUpdate is one update of one ref, as GitHub keeps it for up to a year.
type RefUpdate struct {
	ID            int64
	Ref           string // "refs/heads/main"
	Before, After string // zeros where the ref was made or deleted
	At            time.Time
	// Type is "push", "force_push", "branch_creation", "branch_deletion", "pr_merge",
	// "merge_queue_merge", or one that is newer than this program.
	Type  string
	Actor Account // who did it, or the App that did it for somebody; ID 0: GitHub does not say
}

// maxActivity is how many updates of a ref are read at most.
const maxActivity = 2000

// RefActivity returns the updates of a branch, newest first, until and without the one with
// the given id. found says whether that one was reached; without it, all there are came. It
// returns ErrTruncated above 2,000. With 0 as the id, it returns the newest 2,000.
//
// Source: GET /repos/{owner}/{repo}/activity, whose pages are named by cursors.
func (c *Client) RefActivity(ctx context.Context, r Repo, branch string, until int64) (updates []RefUpdate, found bool, err error) {
	fail := func(err error) ([]RefUpdate, bool, error) {
		return nil, false, fmt.Errorf("list updates of %s of %s: %w", branch, r, err)
	}
	for after := ""; ; {
		p, next, err := c.RefActivityPage(ctx, r, branch, after)
		if err != nil {
			return fail(err)
		}
		for i, u := range p {
			if u.ID == until && until != 0 {
				return append(updates, p[:i]...), true, nil
			}
		}
		updates = append(updates, p...)
		switch {
		case next == "":
			return updates, false, nil
		case len(updates) > maxActivity && until == 0:
			return updates[:maxActivity], false, nil
		case len(updates) > maxActivity:
			return fail(fmt.Errorf("more than %d: %w", maxActivity, ErrTruncated))
		}
		after = next
	}
}

// RefActivityPage returns one page of the updates of a branch, newest first, with the cursor of
// the next one, empty on the last. It returns ErrInvalid for a cursor that GitHub does not know.
//
// Source: GET /repos/{owner}/{repo}/activity.
func (c *Client) RefActivityPage(ctx context.Context, r Repo, branch, after string) (updates []RefUpdate, next string, err error) {
	updates, next, err = c.activityPage(ctx, r, url.Values{"ref": {"refs/heads/" + branch}}, after)
	for _, u := range updates {
		if u.Ref != "refs/heads/"+branch {
			return nil, "", unavailable("an update of %.80q", u.Ref)
		}
	}
	return updates, next, err
}

// activityPage is one page of the updates that a filter lets through.
func (c *Client) activityPage(ctx context.Context, r Repo, filter url.Values, after string) (updates []RefUpdate, next string, err error) {
	list := cursored[wireRefUpdate, RefUpdate]{"GET /repos/{owner}/{repo}/activity", []string{r.Owner, r.Name}, "after", wireRefUpdate.update}
	return list.page(ctx, c, filter, after)
}

type wireRefUpdate struct {
	ID     int64        `json:"id"`
	Before string       `json:"before"`
	After  string       `json:"after"`
	Ref    string       `json:"ref"`
	At     *time.Time   `json:"timestamp"`
	Type   string       `json:"activity_type"`
	Actor  *wireAccount `json:"actor"`
}

func (w wireRefUpdate) update() (RefUpdate, error) {
	u := RefUpdate{ID: w.ID, Ref: w.Ref, Before: w.Before, After: w.After, At: utc(w.At), Type: w.Type, Actor: w.Actor.account()}
	switch {
	case w.ID <= 0:
		return u, errNoID
	case w.Type == "" || w.Ref == "":
		return u, errors.New("an update without a type or ref")
	}
	return u, errors.Join(checkSHA("before", w.Before), checkSHA("after", w.After))
}

// Comparison is how a commit differs from another.
type Comparison struct {
	// MergeBase is the newest commit that both have. It is the first of the two when that is
	// an ancestor of the second.
	MergeBase string
	// Commits are those of the second that the first does not have, oldest first: the newest 250, if
	// there are more.
	Commits         []ComparedCommit
	CommitsComplete bool
	// Files is the net diff from the merge base.
	Files         []File
	FilesComplete bool
}

// ComparedCommit is a commit of a comparison. Parents are in git's order; none: it begins a history.
type ComparedCommit struct {
	SHA     string
	Parents []string
}

// maxComparedFiles is how many files GitHub lists of a comparison at most, without saying
// that there are more.
// https://docs.github.com/rest/commits/commits#compare-two-commits
const maxComparedFiles = 300

// Compare compares two commits. It returns ErrNotFound when one of them is unknown, or when
// they have nothing in common.
//
// Source: GET /repos/{owner}/{repo}/compare/{basehead}.
func (c *Client) Compare(ctx context.Context, r Repo, base, head string) (Comparison, error) {
	if err := errors.Join(askSHA(base), askSHA(head)); err != nil {
		return Comparison{}, err
	}
	var w struct {
		MergeBase struct {
			SHA string `json:"sha"`
		} `json:"merge_base_commit"`
		Total   *int                 `json:"total_commits"`
		Commits []wireComparedCommit `json:"commits"`
		Files   *[]wireFile          `json:"files"`
	}
	err := c.read(ctx, "GET /repos/{owner}/{repo}/compare/{basehead}", []string{r.Owner, r.Name, base + "..." + head}, nil, &w)
	out := Comparison{MergeBase: w.MergeBase.SHA}
	switch {
	case err != nil:
	case w.Total == nil || w.Files == nil:
		err = unavailable("a comparison without commits or files")
	default:
		err = checkSHA("merge base", w.MergeBase.SHA)
		if err != nil {
			err = unavailable("%v", err)
		}
	}
	if err == nil {
		var wrongCommits, wrongFiles error
		out.Commits, wrongCommits = convertAll(w.Commits, wireComparedCommit.commit)
		out.CommitsComplete = len(out.Commits) == *w.Total
		out.Files, wrongFiles = convertAll(*w.Files, wireFile.file)
		out.FilesComplete = len(out.Files) < maxComparedFiles
		if err = errors.Join(wrongCommits, wrongFiles); err != nil {
			err = unavailable("%v", err)
		}
	}
	if err != nil {
		return Comparison{}, fmt.Errorf("compare %.12s with %.12s of %s: %w", head, base, r, err)
	}
	return out, nil
}

type wireComparedCommit struct {
	SHA     string `json:"sha"`
	Parents *[]struct {
		SHA string `json:"sha"`
	} `json:"parents"`
}

func (w wireComparedCommit) commit() (ComparedCommit, error) {
	c := ComparedCommit{SHA: w.SHA}
	if w.Parents == nil {
		return c, errors.New("a commit without its parents")
	}
	err := checkSHA("commit", w.SHA)
	for _, p := range *w.Parents {
		c.Parents = append(c.Parents, p.SHA)
		err = errors.Join(err, checkSHA("parent", p.SHA))
	}
	return c, err
}

// CommitPull is a pull request that has a commit, or that brought it.
type CommitPull struct {
	Number   int
	BaseRef  string
	HeadSHA  string
	MergedAt time.Time // zero: it is not merged
	MergeSHA string    // of a merged one: what it became on its base
}

// CommitPulls returns the pull requests of a commit; at most 1,000, else ErrTruncated.
//
// Source: GET /repos/{owner}/{repo}/commits/{sha}/pulls.
func (c *Client) CommitPulls(ctx context.Context, r Repo, sha string) ([]CommitPull, error) {
	if err := askSHA(sha); err != nil {
		return nil, err
	}
	pulls, err := list(ctx, c, listing[CommitPull]{
		route: "GET /repos/{owner}/{repo}/commits/{sha}/pulls", args: []string{r.Owner, r.Name, sha}, limit: 1000,
		decode: array(wireCommitPull.pull),
		id:     func(p CommitPull) int64 { return int64(p.Number) },
	})
	if err != nil {
		return nil, fmt.Errorf("list pull requests of commit %.12s of %s: %w", sha, r, err)
	}
	return pulls, nil
}

type wireCommitPull struct {
	Number   int        `json:"number"`
	Head     wireHead   `json:"head"`
	Base     wireHead   `json:"base"`
	MergedAt *time.Time `json:"merged_at"`
	MergeSHA string     `json:"merge_commit_sha"`
}

func (w wireCommitPull) pull() (CommitPull, error) {
	p := CommitPull{Number: w.Number, BaseRef: w.Base.Ref, HeadSHA: w.Head.SHA, MergedAt: utc(w.MergedAt)}
	if !p.MergedAt.IsZero() {
		p.MergeSHA = w.MergeSHA // before that it is a trial merge, which is on no branch
	}
	if w.Number <= 0 || w.Base.Ref == "" {
		return p, errors.New("a pull request without a number or base")
	}
	return p, checkSHA("head", w.Head.SHA)
}

// RepositoryNow is a repository as it is now.
type RepositoryNow struct {
	ID            int64
	FullName      string
	DefaultBranch string
	Owner         Account
}

// Repository returns the repository that a name leads to now, also when it was renamed.
//
// Source: GET /repos/{owner}/{repo}.
func (c *Client) Repository(ctx context.Context, r Repo) (RepositoryNow, error) {
	var w struct {
		wireRepository
		Owner *wireAccount `json:"owner"`
	}
	err := c.read(ctx, "GET /repos/{owner}/{repo}", []string{r.Owner, r.Name}, nil, &w)
	if err == nil && (w.ID <= 0 || w.FullName == "") {
		err = unavailable("a repository without an id or name")
	}
	if err != nil {
		return RepositoryNow{}, fmt.Errorf("read repository %s: %w", r, err)
	}
	return RepositoryNow{ID: w.ID, FullName: w.FullName, DefaultBranch: w.DefaultBranch, Owner: w.Owner.account()}, nil
}
