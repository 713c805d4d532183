-- What witnesses signed of the checkpoints.

-- +goose Up
CREATE TABLE cosignatures (
  org_id      INTEGER NOT NULL,
  witness     TEXT    NOT NULL CHECK (witness <> ''), -- its public key
  size        INTEGER NOT NULL,                       -- of the checkpoint
  lines       BLOB    NOT NULL,                       -- signature lines, as they follow the checkpoint's own
  cosigned_at INTEGER NOT NULL,                       -- microseconds UTC
  PRIMARY KEY (org_id, witness, size),
  FOREIGN KEY (org_id, size) REFERENCES checkpoints (org_id, size)
) STRICT, WITHOUT ROWID;
