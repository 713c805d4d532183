-- +goose Up

-- The report of the first day that is to be made, or was the last to be made, by the server itself.
CREATE TABLE first_day_asks (
  org_id          INTEGER NOT NULL PRIMARY KEY REFERENCES orgs (org_id),
  installation_id INTEGER NOT NULL CHECK (installation_id > 0), -- of the App, when it was asked for
  asked_at        INTEGER NOT NULL, -- microseconds UTC; tells one from the next
  ended_at        INTEGER NOT NULL, -- microseconds UTC; 0: it is not made yet
  enlarged_at     INTEGER NOT NULL, -- when repositories were added that nobody looked for since, microseconds UTC; 0: none were
  stage           TEXT    NOT NULL, -- store.FirstDayStage…; empty: it is not begun
  done            INTEGER NOT NULL, -- of total, in the stage
  total           INTEGER NOT NULL,
  why             TEXT    NOT NULL, -- why it did not go on, for a person; empty: it did
  reading         BLOB    NOT NULL  -- what was read so far, JSON of the worker's; empty: nothing was
) STRICT;
