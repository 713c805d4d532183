-- +goose Up

-- What GitHub lists as sent and is not here. Like the inbox, it is the server's own: of a delivery
-- that never came, nobody knows the organisation for sure.
CREATE TABLE lost_deliveries (
  delivery_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (delivery_id <> ''), -- X-GitHub-Delivery
  attempt_id      BIGINT           NOT NULL CHECK (attempt_id > 0), -- GitHub's id of the newest attempt
  event           TEXT COLLATE "C" NOT NULL,
  action          TEXT COLLATE "C" NOT NULL,
  installation_id BIGINT           NOT NULL, -- 0: GitHub names none
  repo_id         BIGINT           NOT NULL, -- 0: GitHub names none
  sent_at         BIGINT           NOT NULL, -- the first attempt, microseconds UTC
  asked           BIGINT           NOT NULL CHECK (asked >= 0), -- how often it was asked for again
  asked_at        BIGINT           NOT NULL  -- the last time, microseconds UTC; 0: never
);

-- How far what is done from time to time has come.
CREATE TABLE sweeps (
  name     TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (name <> ''),
  swept_to BIGINT           NOT NULL -- microseconds UTC: up to here nothing was left out
);

-- Jobs are claimed for one organisation at a time, so that each has its share.
CREATE INDEX jobs_pending_by_org ON jobs (org_id, run_at, id) WHERE wanted_gen > done_gen AND dead = 0;
CREATE INDEX jobs_leased ON jobs (org_id) WHERE lease <> '';
