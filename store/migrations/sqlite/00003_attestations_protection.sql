-- What owners attested of bypass lists that the App cannot read, and how every branch was
-- protected since when.

-- +goose Up
-- The newest attestation of every ruleset. All of them are in the log.
CREATE TABLE attestations (
  org_id      INTEGER NOT NULL REFERENCES orgs (org_id),
  ruleset_id  INTEGER NOT NULL CHECK (ruleset_id > 0),
  leaf_index  INTEGER NOT NULL CHECK (leaf_index >= 0),
  attested_at INTEGER NOT NULL, -- microseconds UTC
  updated_at  INTEGER NOT NULL, -- GitHub's time of the ruleset's last change then, microseconds UTC
  void_at     INTEGER NOT NULL, -- when a delivery said that the ruleset was changed, microseconds UTC; 0: none did
  body        BLOB    NOT NULL, -- exact bytes of the leaf's body, JSON
  PRIMARY KEY (org_id, ruleset_id)
) STRICT;

-- How a branch is protected, as it was last seen. Every state that it was in is in the log.
CREATE TABLE protection_snapshots (
  org_id     INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id    INTEGER NOT NULL CHECK (repo_id > 0),
  ref        TEXT    NOT NULL CHECK (ref <> ''),
  digest     TEXT    NOT NULL CHECK (length(digest) = 64), -- of what is protected, SHA-256
  holds      TEXT    NOT NULL CHECK (holds IN ('yes', 'no', 'unknown')),
  since      INTEGER NOT NULL, -- microseconds UTC
  leaf_index INTEGER NOT NULL CHECK (leaf_index >= 0),
  PRIMARY KEY (org_id, repo_id, ref)
) STRICT;
