package gh

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// maxContentBytes is the largest file that GitHub puts into the answer.
// https://docs.github.com/rest/repos/contents#get-repository-content
const maxContentBytes = 1 << 20

// Content returns a file as it is at a ref (branch, tag or SHA). It returns ErrNotFound
// if there is none, ErrInvalid if the path is a directory, a symbolic link or a
// submodule, and ErrTruncated above 1 MiB.
//
// GitHub follows a symbolic link to a file of the same repository and answers with that
// file, which cannot be told from here.
//
// Source: GET /repos/{owner}/{repo}/contents/{path}.
func (c *Client) Content(ctx context.Context, r Repo, path, ref string) (Content, error) {
	var query url.Values
	if ref != "" {
		query = url.Values{"ref": {ref}}
	}
	a, err := c.get(ctx, "GET /repos/{owner}/{repo}/contents/{path}", []string{r.Owner, r.Name, path}, query)
	var content Content
	if err == nil {
		content, err = decodeContent(a)
	}
	if err != nil {
		return Content{}, fmt.Errorf("read %s of %s at %s: %w", path, r, ref, err)
	}
	return content, nil
}

func decodeContent(a answer) (Content, error) {
	var directory []json.RawMessage
	if json.Unmarshal(a.body, &directory) == nil && directory != nil {
		return Content{}, fmt.Errorf("a directory: %w", ErrInvalid)
	}
	var w struct {
		Type         string  `json:"type"`
		Path         string  `json:"path"`
		SHA          string  `json:"sha"`
		Size         *int64  `json:"size"`
		Encoding     string  `json:"encoding"`
		Content      *string `json:"content"`
		Target       string  `json:"target"`
		SubmoduleURL string  `json:"submodule_git_url"`
	}
	if err := a.decode(&w); err != nil {
		return Content{}, err
	}
	switch {
	case w.Type == "":
		return Content{}, unavailable("content without a type")
	case w.Type != "file" || w.Target != "" || w.SubmoduleURL != "":
		return Content{}, fmt.Errorf("a %s, not a file: %w", w.Type, ErrInvalid)
	case w.Size == nil || w.Content == nil || w.SHA == "":
		return Content{}, unavailable("a file without size, content or blob")
	case *w.Size > maxContentBytes:
		return Content{}, fmt.Errorf("%d bytes: %w", *w.Size, ErrTruncated)
	case w.Encoding != "base64":
		return Content{}, unavailable("a file of %d bytes in encoding %q", *w.Size, w.Encoding)
	}
	// GitHub breaks the lines, which the decoder skips.
	text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(*w.Content))
	if err != nil {
		return Content{}, unavailable("content that does not decode: %v", err)
	}
	if int64(len(text)) != *w.Size {
		return Content{}, unavailable("%d bytes of content where GitHub counts %d", len(text), *w.Size)
	}
	return Content{Path: w.Path, BlobSHA: w.SHA, Bytes: text}, nil
}
