-- Bundles of evidence that somebody asked for on the pages. The file of one is beside the server that
-- made it, for a day; what is on record of it for good is in the log.

-- +goose Up
CREATE TABLE bundles (
  org_id          BIGINT NOT NULL REFERENCES orgs (org_id),
  id              TEXT COLLATE "C" NOT NULL CHECK (id <> ''), -- random
  query           BYTEA NOT NULL, -- evidence.Query, JSON
  asked_by        BYTEA NOT NULL, -- Who, JSON
  asked_at        BIGINT NOT NULL, -- microseconds UTC
  state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('looking', 'looked', 'making', 'made', 'failed')),
  server          TEXT COLLATE "C" NOT NULL, -- process that does it, or did it last
  run             TEXT COLLATE "C" NOT NULL, -- random: tells the attempts apart
  beat_at         BIGINT NOT NULL, -- when it last said that it is at it, microseconds UTC
  doing           TEXT COLLATE "C" NOT NULL, -- step; empty: it waits for its turn
  done            BIGINT NOT NULL, -- of the step
  total           BIGINT NOT NULL,
  log_size        BIGINT NOT NULL, -- leaves that the file is made of; 0: not fixed yet
  preview         BYTEA NOT NULL, -- evidence.Preview, JSON; empty: it was not looked at yet
  cause           TEXT COLLATE "C" NOT NULL, -- why it failed; empty: it did not
  manifest_sha256 TEXT COLLATE "C" NOT NULL, -- empty: it is not made
  bytes           BIGINT NOT NULL, -- of the file
  PRIMARY KEY (org_id, id)
);
CREATE INDEX bundles_by_time ON bundles (org_id, asked_at);
