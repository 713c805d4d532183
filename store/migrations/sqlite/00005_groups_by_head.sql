-- +goose Up
-- The decisions about merge groups, by the commit that they share a check run on.
CREATE INDEX decisions_by_group ON decisions (org_id, repo_id, head_sha, check_name, leaf_index) WHERE number = 0;
