package gh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
)

const (
	// GitHub lists at most this many and does not say that there are more, so a full
	// list counts as cut.
	// https://docs.github.com/rest/pulls/pulls#list-pull-requests-files
	// https://docs.github.com/rest/pulls/pulls#list-commits-on-a-pull-request
	maxGitHubFiles   = 3000
	maxGitHubCommits = 250
)

// PullRequestStack returns the branch that a stacked pull request is judged against: the
// base of its stack, without "refs/heads/". It is empty for a pull request that is not
// in a stack.
//
// Source: GET /repos/{owner}/{repo}/pulls/{number}, field "stack" (preview; GraphQL has no such field).
func (c *Client) PullRequestStack(ctx context.Context, r Repo, number int) (string, error) {
	var w struct {
		Number int             `json:"number"`
		Stack  json.RawMessage `json:"stack"`
	}
	err := c.read(ctx, "GET /repos/{owner}/{repo}/pulls/{number}", pullArgs(r, number), nil, &w)
	if err == nil && w.Number != number {
		err = unavailable("an answer about number %d", w.Number)
	}
	base := ""
	if err == nil {
		base, err = stackBase(w.Stack)
	}
	if err != nil {
		return "", fmt.Errorf("read pull request %s: %w", pullName(r, number), err)
	}
	return base, nil
}

// stackBase reads {"base": {"ref": "main"}} or {"base": "main"}. A stack without a base
// that we can read is an error: the governing base would be unknown.
func stackBase(raw json.RawMessage) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var stack struct {
		Base json.RawMessage `json:"base"`
	}
	if err := json.Unmarshal(raw, &stack); err != nil {
		return "", unavailable("a stack that does not parse: %v", err)
	}
	var object struct {
		Ref string `json:"ref"`
	}
	var name string
	if json.Unmarshal(stack.Base, &name) != nil {
		if err := json.Unmarshal(orNull(stack.Base), &object); err != nil {
			return "", unavailable("a stack whose base does not parse: %v", err)
		}
		name = object.Ref
	}
	if name == "" {
		return "", unavailable("a stack without a base")
	}
	return name, nil
}

// PullRequestFiles returns the changed files in GitHub's order. It returns ErrTruncated
// from 3,000 files on.
//
// Source: GET /repos/{owner}/{repo}/pulls/{number}/files.
func (c *Client) PullRequestFiles(ctx context.Context, r Repo, number int) ([]File, error) {
	files, err := list(ctx, c, listing[File]{
		route:  "GET /repos/{owner}/{repo}/pulls/{number}/files",
		args:   pullArgs(r, number),
		limit:  maxGitHubFiles - 1,
		decode: array(wireFile.file),
	})
	if err != nil {
		return nil, fmt.Errorf("list files of %s: %w", pullName(r, number), err)
	}
	return files, nil
}

type wireFile struct {
	Path      string  `json:"filename"`
	Previous  string  `json:"previous_filename"`
	Status    string  `json:"status"`
	BlobSHA   string  `json:"sha"`
	Patch     *string `json:"patch"`
	Contents  string  `json:"contents_url"` // with ?ref=
	Additions int     `json:"additions"`
	Deletions int     `json:"deletions"`
}

func (w wireFile) file() (File, error) {
	if w.Path == "" || w.Status == "" {
		return File{}, errors.New("a file without a name or status")
	}
	if w.Status == "renamed" && w.Previous == "" {
		return File{}, errors.New("a renamed file without its previous name")
	}
	f := File{
		Path: w.Path, Previous: w.Previous, Status: w.Status, BlobSHA: w.BlobSHA,
		HasPatch: w.Patch != nil, Additions: w.Additions, Deletions: w.Deletions,
	}
	if w.Patch != nil {
		f.Patch = *w.Patch
	}
	if contents, err := url.Parse(w.Contents); err == nil && w.Status != "removed" {
		f.HeadSHA = contents.Query().Get("ref")
	}
	return f, nil
}

// PullRequestCommits returns the commits, oldest first, with the accounts that GitHub
// links to them, bots included. It returns ErrTruncated from 250 commits on.
//
// Source: GET /repos/{owner}/{repo}/pulls/{number}/commits.
func (c *Client) PullRequestCommits(ctx context.Context, r Repo, number int) ([]PullCommit, error) {
	commits, err := list(ctx, c, listing[PullCommit]{
		route:  "GET /repos/{owner}/{repo}/pulls/{number}/commits",
		args:   pullArgs(r, number),
		limit:  maxGitHubCommits - 1,
		decode: array(wirePullCommit.commit),
	})
	if err != nil {
		return nil, fmt.Errorf("list commits of %s: %w", pullName(r, number), err)
	}
	return commits, nil
}

type wirePullCommit struct {
	SHA       string       `json:"sha"`
	Author    *wireAccount `json:"author"`
	Committer *wireAccount `json:"committer"`
}

func (w wirePullCommit) commit() (PullCommit, error) {
	return PullCommit{SHA: w.SHA, Author: w.Author.account(), Committer: w.Committer.account()},
		checkSHA("commit", w.SHA)
}

// wireHead is the head or the base of a pull request.
type wireHead struct {
	Ref string `json:"ref"`
	SHA string `json:"sha"`
}

// String writes owner/name.
func (r Repo) String() string { return r.Owner + "/" + r.Name }

func pullName(r Repo, number int) string { return fmt.Sprintf("%s#%d", r, number) }

func pullArgs(r Repo, number int) []string {
	return []string{r.Owner, r.Name, strconv.Itoa(number)}
}
