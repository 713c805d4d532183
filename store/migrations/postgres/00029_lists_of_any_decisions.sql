-- +goose Up

-- A list never keeps a decision from being recorded: nothing in it is unique but the change.
DROP INDEX listed_changes_by_leaf;
CREATE INDEX listed_changes_by_leaf ON listed_changes (org_id, leaf_index);

ALTER TABLE listed_marks DROP CONSTRAINT listed_marks_pkey, ADD PRIMARY KEY (org_id, mark, leaf_index, repo_id, number);

-- When each installation wrote to GitHub, as far back as decides whether it may write again: how often it
-- may is bounded, over all processes. Like the queue, it is the server's own.
CREATE TABLE github_writes_counted (
  installation_id BIGINT NOT NULL,
  n               BIGINT NOT NULL CHECK (n > 0), -- counts its writes
  at              BIGINT NOT NULL,               -- microseconds UTC
  PRIMARY KEY (installation_id, n)
);
INSERT INTO github_writes_counted (installation_id, n, at)
SELECT installation_id, ROW_NUMBER() OVER (PARTITION BY installation_id ORDER BY at), at FROM github_writes;
DROP TABLE github_writes;
ALTER TABLE github_writes_counted RENAME TO github_writes;
