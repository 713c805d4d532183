-- +goose Up

-- Every change that reached a branch that was followed then, as figures over many count it: each
-- pull request that an update brought, or the update that brought none. They are made from the
-- records of the updates, and go with them.
CREATE TABLE merged_changes (
  org_id      BIGINT NOT NULL REFERENCES orgs (org_id),
  leaf_index  BIGINT NOT NULL,                      -- of the record of the update
  number      BIGINT NOT NULL CHECK (number >= 0),  -- pull request; 0: none
  at          BIGINT NOT NULL,                      -- GitHub's time of the update, microseconds UTC
  repo_id     BIGINT NOT NULL CHECK (repo_id > 0),
  activity_id BIGINT NOT NULL,                      -- GitHub's id of the update
  repository  TEXT COLLATE "C" NOT NULL,                      -- owner/name then
  ref         TEXT COLLATE "C" NOT NULL,
  class       TEXT COLLATE "C" NOT NULL,                      -- policy.Class; empty: not known
  agent       TEXT COLLATE "C" NOT NULL,                      -- of which there is the strongest evidence; empty: none
  reviews     TEXT COLLATE "C" NOT NULL CHECK (reviews IN ('', 'yes', 'no', 'unknown')), -- whether an independent approval counted; empty: no pull request
  attempts    BIGINT NOT NULL,                      -- of validations; -1: not known
  failed      BIGINT NOT NULL,                      -- of these; -1: not known
  latency     BIGINT NOT NULL,                      -- to the first review, microseconds; -1: none before the merge, -2: not known
  kept        TEXT COLLATE "C" NOT NULL,                      -- policy.ReviewKept; empty: not known
  PRIMARY KEY (org_id, leaf_index, number)
);

-- What they are found by: policy.MergedMarks.
CREATE TABLE merged_marks (
  org_id     BIGINT NOT NULL,
  mark       TEXT COLLATE "C" NOT NULL CHECK (mark <> ''),
  at         BIGINT NOT NULL, -- as in merged_changes
  leaf_index BIGINT NOT NULL,
  number     BIGINT NOT NULL,
  PRIMARY KEY (org_id, mark, at, leaf_index, number),
  FOREIGN KEY (org_id, leaf_index, number) REFERENCES merged_changes (org_id, leaf_index, number) ON DELETE CASCADE
);
CREATE INDEX merged_marks_by_change ON merged_marks (org_id, leaf_index, number);

-- How many changes of a day have which mark. Sums name nobody, and stay when records go.
CREATE TABLE merged_days (
  org_id  BIGINT NOT NULL REFERENCES orgs (org_id),
  repo_id BIGINT NOT NULL CHECK (repo_id >= 0), -- 0: all of the organisation
  day     BIGINT NOT NULL,                      -- days since 1970, UTC
  counts  BYTEA NOT NULL,                      -- JSON: by mark; attempts of validations and those that failed; updates whose records were gone
  PRIMARY KEY (org_id, repo_id, day)
);

-- Since when and until when decisions named an agent.
CREATE TABLE agents_seen (
  org_id   BIGINT NOT NULL REFERENCES orgs (org_id),
  agent    TEXT COLLATE "C" NOT NULL CHECK (agent <> ''), -- name in the catalogue
  first_at BIGINT NOT NULL,                     -- of the first decision, microseconds UTC
  last_at  BIGINT NOT NULL,                     -- of the newest
  PRIMARY KEY (org_id, agent)
);

CREATE INDEX exceptions_by_due ON exceptions (org_id, repo_id, state, due_at) WHERE state <> 'closed';
