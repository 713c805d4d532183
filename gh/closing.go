package gh

import (
	"context"
	"fmt"
	"time"
)

// IssueClosing is how an issue was closed the last time.
type IssueClosing struct {
	At time.Time
	// Through is what closed it in the name of ClosedBy: "pull request 4" or "commit …" that said
	// that it would, "a project"; empty: they closed it themselves.
	Through string
	// ReopenedAt is when it was last opened again; zero: never.
	ReopenedAt time.Time
}

const issueClosingQuery = `query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { issue(number: $number) {
    closed: timelineItems(last: 1, itemTypes: [CLOSED_EVENT]) { nodes { ... on ClosedEvent {
      createdAt closer { __typename ... on PullRequest { number } ... on Commit { oid } } } } }
    reopened: timelineItems(last: 1, itemTypes: [REOPENED_EVENT]) { nodes { ... on ReopenedEvent { createdAt } } }
  } }
}`

// wireCloser is what closed an issue in somebody's name.
type wireCloser struct {
	Type   string `json:"__typename"`
	Number int    `json:"number"`
	OID    string `json:"oid"`
}

// Closing returns how an issue was closed the last time. REST tells less: who merges a pull request
// that says "Fixes #4" closes it there like anybody else. It returns ErrUnavailable when GitHub
// shows no closing.
//
// Source: https://docs.github.com/graphql/reference/objects#closedevent
func (c *Client) Closing(ctx context.Context, r Repo, number int) (IssueClosing, error) {
	var answer struct {
		Repository *struct {
			Issue *struct {
				Closed struct {
					Nodes []struct {
						CreatedAt time.Time   `json:"createdAt"`
						Closer    *wireCloser `json:"closer"`
					} `json:"nodes"`
				} `json:"closed"`
				Reopened struct {
					Nodes []struct {
						CreatedAt time.Time `json:"createdAt"`
					} `json:"nodes"`
				} `json:"reopened"`
			} `json:"issue"`
		} `json:"repository"`
	}
	fail := func(err error) (IssueClosing, error) {
		return IssueClosing{}, fmt.Errorf("read how issue %s#%d was closed: %w", r, number, err)
	}
	vars := map[string]any{"owner": r.Owner, "name": r.Name, "number": number}
	if err := c.GraphQL(ctx, issueClosingQuery, vars, &answer); err != nil {
		return fail(err)
	}
	if answer.Repository == nil || answer.Repository.Issue == nil || len(answer.Repository.Issue.Closed.Nodes) == 0 {
		return fail(unavailable("an answer without its closing"))
	}
	closed := answer.Repository.Issue.Closed.Nodes[0]
	out := IssueClosing{At: closed.CreatedAt.UTC(), Through: closed.Closer.words()}
	for _, n := range answer.Repository.Issue.Reopened.Nodes {
		out.ReopenedAt = n.CreatedAt.UTC()
	}
	return out, nil
}

func (w *wireCloser) words() string {
	switch {
	case w == nil:
		return ""
	case w.Type == "PullRequest":
		return fmt.Sprintf("pull request %d", w.Number)
	case w.Type == "Commit":
		return "commit " + w.OID
	case w.Type == "ProjectV2":
		return "a project"
	}
	return "something that is not a person"
}
