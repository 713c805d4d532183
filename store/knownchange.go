package store

import (
	"context"
	"fmt"
)

// KnownChange is a pull request as it was last seen.
type KnownChange struct {
	Repository       string // owner/name
	InstallationID   int64
	HeadSHA, BaseRef string
	Open             bool
}

const selectKnownChange = `SELECT repository, installation_id, head_sha, base_ref, is_open FROM changes WHERE org_id = $1 AND repo_id = $2 AND number = $3`

// KnownChange returns a pull request as it was last seen, or ErrNotFound.
func (n Tenant) KnownChange(ctx context.Context, repoID int64, number int) (c KnownChange, err error) {
	var open int
	err = n.s.one(ctx, selectKnownChange, []any{n.org, repoID, number}, &c.Repository, &c.InstallationID, &c.HeadSHA, &c.BaseRef, &open)
	if err != nil {
		return c, fmt.Errorf("store: read pull request %d of repository %d: %w", number, repoID, err)
	}
	c.Open = open == 1
	return c, nil
}
