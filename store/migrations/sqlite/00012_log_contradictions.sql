-- What witnesses know of a log that it does not extend. While there is such a row about the log's
-- present name, no checkpoint of it is signed.

-- +goose Up
CREATE TABLE log_contradictions (
  org_id   INTEGER NOT NULL REFERENCES log_heads (org_id),
  origin   TEXT    NOT NULL CHECK (origin <> ''),
  witness  TEXT    NOT NULL CHECK (witness <> ''), -- its public key
  size     INTEGER NOT NULL CHECK (size >= 0),     -- number of leaves that it knows
  found_at INTEGER NOT NULL,                       -- microseconds UTC
  PRIMARY KEY (org_id, origin, witness)
) STRICT, WITHOUT ROWID;
