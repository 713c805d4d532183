-- Bundles of evidence that somebody asked for on the pages. The file of one is beside the server that
-- made it, for a day; what is on record of it for good is in the log.

-- +goose Up
CREATE TABLE bundles (
  org_id          INTEGER NOT NULL REFERENCES orgs (org_id),
  id              TEXT    NOT NULL CHECK (id <> ''), -- random
  query           BLOB    NOT NULL, -- evidence.Query, JSON
  asked_by        BLOB    NOT NULL, -- Who, JSON
  asked_at        INTEGER NOT NULL, -- microseconds UTC
  state           TEXT    NOT NULL CHECK (state IN ('looking', 'looked', 'making', 'made', 'failed')),
  server          TEXT    NOT NULL, -- process that does it, or did it last
  run             TEXT    NOT NULL, -- random: tells the attempts apart
  beat_at         INTEGER NOT NULL, -- when it last said that it is at it, microseconds UTC
  doing           TEXT    NOT NULL, -- step; empty: it waits for its turn
  done            INTEGER NOT NULL, -- of the step
  total           INTEGER NOT NULL,
  log_size        INTEGER NOT NULL, -- leaves that the file is made of; 0: not fixed yet
  preview         BLOB    NOT NULL, -- evidence.Preview, JSON; empty: it was not looked at yet
  cause           TEXT    NOT NULL, -- why it failed; empty: it did not
  manifest_sha256 TEXT    NOT NULL, -- empty: it is not made
  bytes           INTEGER NOT NULL, -- of the file
  PRIMARY KEY (org_id, id)
) STRICT;
CREATE INDEX bundles_by_time ON bundles (org_id, asked_at);
