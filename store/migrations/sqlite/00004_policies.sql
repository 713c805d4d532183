-- +goose Up
-- What the last decision of each branch was judged by: what stands in for a policy file that
-- cannot be used, and what tells that an organisation had a policy when it is gone.
CREATE TABLE policies (
  org_id        INTEGER NOT NULL,
  repo_id       INTEGER NOT NULL CHECK (repo_id >= 0), -- 0: the organisation's own policy
  governing_ref TEXT    NOT NULL,                      -- empty for the organisation's own policy
  policy_sha256 TEXT    NOT NULL CHECK (policy_sha256 <> ''), -- the blob of that decision
  enforces      INTEGER NOT NULL CHECK (enforces IN (0, 1)),  -- of the organisation's own policy: mode enforce
  record_id     TEXT    NOT NULL CHECK (record_id <> ''),     -- that decision
  PRIMARY KEY (org_id, repo_id, governing_ref),
  FOREIGN KEY (org_id, policy_sha256) REFERENCES blobs (org_id, sha256)
) STRICT, WITHOUT ROWID;
