-- What reached branches before they were followed, as far as GitHub still lists it.

-- +goose Up
CREATE TABLE backfills (
  org_id     INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id    INTEGER NOT NULL CHECK (repo_id > 0),
  ref        TEXT    NOT NULL CHECK (ref <> ''),            -- without refs/heads/
  repository TEXT    NOT NULL,                              -- owner/name, as last seen
  since      INTEGER NOT NULL,                              -- how far back it is to be read; microseconds UTC
  until_at   INTEGER NOT NULL,                              -- where what is judged begins; microseconds UTC
  until_id   INTEGER NOT NULL,                              -- newest update that is read, by GitHub's id; 0: there is none
  asked_at   INTEGER NOT NULL,                              -- microseconds UTC
  looked_at  INTEGER NOT NULL,                              -- microseconds UTC; 0: never
  done_at    INTEGER NOT NULL,                              -- microseconds UTC; 0: it is still read
  names      BLOB    NOT NULL,                              -- other names that the branch had before, as far as they were found; JSON
  after_page TEXT    NOT NULL,                              -- GitHub's cursor of the page that is read next; empty: the first
  read_from  INTEGER NOT NULL,                              -- GitHub's time of what was reached, microseconds; 0: nothing was
  updates    INTEGER NOT NULL CHECK (updates >= 0),         -- how many were recorded since it was asked for
  why        TEXT    NOT NULL,                              -- why it was not read from since on; empty: it was, or is still read
  result     BLOB    NOT NULL,                              -- what the newest leaf about it says, but for updates; empty: there is none
  PRIMARY KEY (org_id, repo_id, ref)
) STRICT, WITHOUT ROWID;

-- Every update that was found so, each with its leaf.
CREATE TABLE backfilled_updates (
  org_id      INTEGER NOT NULL,
  repo_id     INTEGER NOT NULL,
  activity_id INTEGER NOT NULL CHECK (activity_id > 0), -- GitHub's id of the update
  leaf_index  INTEGER NOT NULL,                         -- the leaf of kind "backfilled"
  PRIMARY KEY (org_id, repo_id, activity_id)
) STRICT, WITHOUT ROWID;
