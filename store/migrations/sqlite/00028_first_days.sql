-- +goose Up

-- The newest report of what a policy would have held of what was merged before. It is no evidence.
CREATE TABLE first_days (
  org_id  INTEGER NOT NULL PRIMARY KEY REFERENCES orgs (org_id),
  made_at INTEGER NOT NULL, -- microseconds UTC
  report  BLOB    NOT NULL -- policy.FirstDay, JSON
) STRICT;
