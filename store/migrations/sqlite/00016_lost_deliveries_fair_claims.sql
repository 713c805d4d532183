-- +goose Up

-- What GitHub lists as sent and is not here. Like the inbox, it is the server's own: of a delivery
-- that never came, nobody knows the organisation for sure.
CREATE TABLE lost_deliveries (
  delivery_id     TEXT    NOT NULL PRIMARY KEY CHECK (delivery_id <> ''), -- X-GitHub-Delivery
  attempt_id      INTEGER NOT NULL CHECK (attempt_id > 0), -- GitHub's id of the newest attempt
  event           TEXT    NOT NULL,
  action          TEXT    NOT NULL,
  installation_id INTEGER NOT NULL, -- 0: GitHub names none
  repo_id         INTEGER NOT NULL, -- 0: GitHub names none
  sent_at         INTEGER NOT NULL, -- the first attempt, microseconds UTC
  asked           INTEGER NOT NULL CHECK (asked >= 0), -- how often it was asked for again
  asked_at        INTEGER NOT NULL  -- the last time, microseconds UTC; 0: never
) STRICT;

-- How far what is done from time to time has come.
CREATE TABLE sweeps (
  name     TEXT    NOT NULL PRIMARY KEY CHECK (name <> ''),
  swept_to INTEGER NOT NULL -- microseconds UTC: up to here nothing was left out
) STRICT;

-- Jobs are claimed for one organisation at a time, so that each has its share.
CREATE INDEX jobs_pending_by_org ON jobs (org_id, run_at, id) WHERE wanted_gen > done_gen AND dead = 0;
CREATE INDEX jobs_leased ON jobs (org_id) WHERE lease <> '';
