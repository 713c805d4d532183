-- +goose Up

-- A list never keeps a decision from being recorded: nothing in it is unique but the change.
DROP INDEX listed_changes_by_leaf;
CREATE INDEX listed_changes_by_leaf ON listed_changes (org_id, leaf_index);

CREATE TABLE listed_marks_anew (
  org_id     INTEGER NOT NULL,
  mark       TEXT    NOT NULL CHECK (mark <> ''),
  leaf_index INTEGER NOT NULL, -- as in listed_changes
  repo_id    INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  PRIMARY KEY (org_id, mark, leaf_index, repo_id, number),
  FOREIGN KEY (org_id, repo_id, number) REFERENCES listed_changes (org_id, repo_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO listed_marks_anew (org_id, mark, leaf_index, repo_id, number) SELECT org_id, mark, leaf_index, repo_id, number FROM listed_marks;
DROP TABLE listed_marks;
ALTER TABLE listed_marks_anew RENAME TO listed_marks;
CREATE INDEX listed_marks_by_change ON listed_marks (org_id, repo_id, number);

-- When each installation wrote to GitHub, as far back as decides whether it may write again: how often it
-- may is bounded, over all processes. Like the queue, it is the server's own.
CREATE TABLE github_writes_counted (
  installation_id INTEGER NOT NULL,
  n               INTEGER NOT NULL CHECK (n > 0), -- counts its writes
  at              INTEGER NOT NULL,               -- microseconds UTC
  PRIMARY KEY (installation_id, n)
) STRICT, WITHOUT ROWID;
INSERT INTO github_writes_counted (installation_id, n, at)
SELECT installation_id, ROW_NUMBER() OVER (PARTITION BY installation_id ORDER BY at), at FROM github_writes;
DROP TABLE github_writes;
ALTER TABLE github_writes_counted RENAME TO github_writes;
