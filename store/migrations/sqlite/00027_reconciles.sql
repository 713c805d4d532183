-- +goose Up

-- The repositories that are compared with GitHub from time to time.
CREATE TABLE reconciles (
  org_id     INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id    INTEGER NOT NULL CHECK (repo_id > 0),
  repository TEXT    NOT NULL CHECK (repository <> ''), -- owner/name, as last seen
  due_at     INTEGER NOT NULL, -- when it is looked at next, microseconds UTC
  looked_at  INTEGER NOT NULL, -- microseconds UTC; 0: never
  PRIMARY KEY (org_id, repo_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX reconciles_due ON reconciles (org_id, due_at, repo_id);
