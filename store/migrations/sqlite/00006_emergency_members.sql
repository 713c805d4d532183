-- Whether whoever declared an emergency was in the emergency team when the comment was first
-- looked at. What becomes of the team later changes nothing.

-- +goose Up
CREATE TABLE emergency_members (
  org_id     INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id    INTEGER NOT NULL,
  number     INTEGER NOT NULL, -- pull request
  comment_id INTEGER NOT NULL,
  member     TEXT    NOT NULL CHECK (member IN ('yes', 'no')),
  read_at    INTEGER NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, repo_id, number, comment_id)
) STRICT;
