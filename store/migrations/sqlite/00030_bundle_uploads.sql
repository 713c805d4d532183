-- +goose Up

-- Files of bundles that are to be in the bucket of the settings. The file is beside the server that made it;
-- that it was put there is on record in the log.
CREATE TABLE bundle_uploads (
  org_id       INTEGER NOT NULL,
  bundle_id    TEXT    NOT NULL,
  sha256       TEXT    NOT NULL CHECK (sha256 <> ''), -- of the file, hexadecimal
  locked_until INTEGER NOT NULL, -- at least, microseconds UTC
  attempts     INTEGER NOT NULL,
  next_at      INTEGER NOT NULL, -- when it is tried, or whoever is at it is taken for dead, microseconds UTC
  run          TEXT    NOT NULL, -- random: who is at it; empty: nobody
  cause        TEXT    NOT NULL, -- why the last attempt failed; empty: none did
  stored       BLOB    NOT NULL, -- Stored, JSON; empty: it is not there yet
  PRIMARY KEY (org_id, bundle_id),
  FOREIGN KEY (org_id, bundle_id) REFERENCES bundles (org_id, id) ON DELETE CASCADE
) STRICT;
