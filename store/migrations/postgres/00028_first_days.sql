-- +goose Up

-- The newest report of what a policy would have held of what was merged before. It is no evidence.
CREATE TABLE first_days (
  org_id  BIGINT NOT NULL PRIMARY KEY REFERENCES orgs (org_id),
  made_at BIGINT NOT NULL, -- microseconds UTC
  report  BYTEA  NOT NULL -- policy.FirstDay, JSON
);
