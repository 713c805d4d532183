-- By which name and with which key a log's checkpoints are signed, since when. A log of one key has
-- no rows.

-- +goose Up
CREATE TABLE log_terms (
  org_id     INTEGER NOT NULL REFERENCES log_heads (org_id),
  leaf_index INTEGER NOT NULL CHECK (leaf_index >= -1), -- leaf that began the term: it is that of checkpoints of more leaves; -1: the first
  origin     TEXT    NOT NULL CHECK (origin <> ''),     -- first line of its checkpoints
  public     TEXT    NOT NULL CHECK (public <> ''),     -- key that signs them
  PRIMARY KEY (org_id, leaf_index)
) STRICT, WITHOUT ROWID;
