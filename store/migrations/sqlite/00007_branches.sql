-- +goose Up
-- The branches whose updates are compared with the decisions about them.
CREATE TABLE branches (
  org_id      INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id     INTEGER NOT NULL CHECK (repo_id > 0),
  ref         TEXT    NOT NULL CHECK (ref <> ''),               -- without refs/heads/
  repository  TEXT    NOT NULL,                                 -- owner/name, as last seen
  mode        TEXT    NOT NULL CHECK (mode IN ('enforce', 'audit')),
  activity_id INTEGER NOT NULL,                                 -- newest entry of GitHub's activity that was looked at; 0: none
  tip         TEXT    NOT NULL,                                 -- commit that it led to; zeros: the branch was deleted
  seq         INTEGER NOT NULL,                                 -- pushes received up to here were found in the activity
  since       INTEGER NOT NULL,                                 -- when following began; microseconds
  blind_since INTEGER NOT NULL,                                 -- since when the activity cannot be read; 0: it can
  PRIMARY KEY (org_id, repo_id, ref)
) STRICT, WITHOUT ROWID;

-- Every update of such a branch, each with the leaf that says what was found.
CREATE TABLE branch_updates (
  org_id      INTEGER NOT NULL,
  repo_id     INTEGER NOT NULL,
  activity_id INTEGER NOT NULL CHECK (activity_id > 0), -- GitHub's id of the update
  ref         TEXT    NOT NULL,
  before_sha  TEXT    NOT NULL,
  after_sha   TEXT    NOT NULL,
  type        TEXT    NOT NULL,                         -- GitHub's: push, pr_merge, ...
  actor_id    INTEGER NOT NULL,                         -- 0: not known
  actor       TEXT    NOT NULL,
  at          INTEGER NOT NULL,                         -- GitHub's; microseconds
  source      TEXT    NOT NULL CHECK (source IN ('delivery', 'activity')), -- what told of it first
  seq         INTEGER NOT NULL,                         -- of the delivery that told of it; 0: none did
  delivery_id TEXT    NOT NULL,
  received_at INTEGER NOT NULL,                         -- microseconds; 0: no delivery
  findings    INTEGER NOT NULL CHECK (findings >= 0),   -- how many there were
  leaf_index  INTEGER NOT NULL,                         -- the leaf of kind "merge"
  PRIMARY KEY (org_id, repo_id, activity_id)
) STRICT, WITHOUT ROWID;
