-- +goose Up

-- Every change that reached a branch that was followed then, as figures over many count it: each
-- pull request that an update brought, or the update that brought none. They are made from the
-- records of the updates, and go with them.
CREATE TABLE merged_changes (
  org_id      INTEGER NOT NULL REFERENCES orgs (org_id),
  leaf_index  INTEGER NOT NULL,                      -- of the record of the update
  number      INTEGER NOT NULL CHECK (number >= 0),  -- pull request; 0: none
  at          INTEGER NOT NULL,                      -- GitHub's time of the update, microseconds UTC
  repo_id     INTEGER NOT NULL CHECK (repo_id > 0),
  activity_id INTEGER NOT NULL,                      -- GitHub's id of the update
  repository  TEXT    NOT NULL,                      -- owner/name then
  ref         TEXT    NOT NULL,
  class       TEXT    NOT NULL,                      -- policy.Class; empty: not known
  agent       TEXT    NOT NULL,                      -- of which there is the strongest evidence; empty: none
  reviews     TEXT    NOT NULL CHECK (reviews IN ('', 'yes', 'no', 'unknown')), -- whether an independent approval counted; empty: no pull request
  attempts    INTEGER NOT NULL,                      -- of validations; -1: not known
  failed      INTEGER NOT NULL,                      -- of these; -1: not known
  latency     INTEGER NOT NULL,                      -- to the first review, microseconds; -1: none before the merge, -2: not known
  kept        TEXT    NOT NULL,                      -- policy.ReviewKept; empty: not known
  PRIMARY KEY (org_id, leaf_index, number)
) STRICT, WITHOUT ROWID;

-- What they are found by: policy.MergedMarks.
CREATE TABLE merged_marks (
  org_id     INTEGER NOT NULL,
  mark       TEXT    NOT NULL CHECK (mark <> ''),
  at         INTEGER NOT NULL, -- as in merged_changes
  leaf_index INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  PRIMARY KEY (org_id, mark, at, leaf_index, number),
  FOREIGN KEY (org_id, leaf_index, number) REFERENCES merged_changes (org_id, leaf_index, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX merged_marks_by_change ON merged_marks (org_id, leaf_index, number);

-- How many changes of a day have which mark. Sums name nobody, and stay when records go.
CREATE TABLE merged_days (
  org_id  INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id INTEGER NOT NULL CHECK (repo_id >= 0), -- 0: all of the organisation
  day     INTEGER NOT NULL,                      -- days since 1970, UTC
  counts  BLOB    NOT NULL,                      -- JSON: by mark; attempts of validations and those that failed; updates whose records were gone
  PRIMARY KEY (org_id, repo_id, day)
) STRICT, WITHOUT ROWID;

-- Since when and until when decisions named an agent.
CREATE TABLE agents_seen (
  org_id   INTEGER NOT NULL REFERENCES orgs (org_id),
  agent    TEXT    NOT NULL CHECK (agent <> ''), -- name in the catalogue
  first_at INTEGER NOT NULL,                     -- of the first decision, microseconds UTC
  last_at  INTEGER NOT NULL,                     -- of the newest
  PRIMARY KEY (org_id, agent)
) STRICT, WITHOUT ROWID;

CREATE INDEX exceptions_by_due ON exceptions (org_id, repo_id, state, due_at) WHERE state <> 'closed';
