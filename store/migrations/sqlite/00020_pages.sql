-- +goose Up

-- What lists of changes show of each, by its newest decision; it is made from decisions alone, and
-- goes with them.
CREATE TABLE listed_changes (
  org_id        INTEGER NOT NULL REFERENCES orgs (org_id),
  repo_id       INTEGER NOT NULL CHECK (repo_id > 0),
  number        INTEGER NOT NULL CHECK (number > 0),
  record_id     TEXT    NOT NULL, -- the newest decision
  leaf_index    INTEGER NOT NULL, -- of that decision: the order of lists
  decided_at    INTEGER NOT NULL, -- microseconds UTC
  repository    TEXT    NOT NULL, -- owner/name then
  governing_ref TEXT    NOT NULL,
  title         TEXT    NOT NULL, -- of the pull request; empty: there were no facts
  author        TEXT    NOT NULL, -- login; empty: not known
  class         TEXT    NOT NULL, -- policy.Class; empty: nothing was decided
  mode          TEXT    NOT NULL, -- policy.Mode; empty: nothing was decided
  verdict       TEXT    NOT NULL,
  said          TEXT    NOT NULL, -- title of the decision
  PRIMARY KEY (org_id, repo_id, number),
  FOREIGN KEY (org_id, record_id) REFERENCES decisions (org_id, record_id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX listed_changes_by_leaf ON listed_changes (org_id, leaf_index);
CREATE INDEX listed_changes_by_repository ON listed_changes (org_id, repo_id, leaf_index);
CREATE INDEX listed_changes_by_record ON listed_changes (org_id, record_id);

-- What they can be filtered by: "class:agent", "verdict:fail", "agent:copilot", "rule:validated", …
CREATE TABLE listed_marks (
  org_id     INTEGER NOT NULL,
  mark       TEXT    NOT NULL CHECK (mark <> ''),
  leaf_index INTEGER NOT NULL, -- as in listed_changes
  repo_id    INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  PRIMARY KEY (org_id, mark, leaf_index),
  FOREIGN KEY (org_id, repo_id, number) REFERENCES listed_changes (org_id, repo_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX listed_marks_by_change ON listed_marks (org_id, repo_id, number);

-- Who outside of an organisation may read its evidence, for how long, and of which time.
CREATE TABLE auditor_grants (
  org_id        INTEGER NOT NULL REFERENCES orgs (org_id),
  id            TEXT    NOT NULL CHECK (id <> ''),                  -- random
  secret_sha256 TEXT    NOT NULL UNIQUE CHECK (length(secret_sha256) = 64), -- of the secret in the link
  name          TEXT    NOT NULL CHECK (name <> ''),                -- who it is for, as the granter wrote it
  from_at       INTEGER NOT NULL,                                   -- start of the time that may be read, microseconds UTC
  before_at     INTEGER NOT NULL CHECK (before_at > from_at),       -- its end, not included
  granted_at    INTEGER NOT NULL,                                   -- microseconds UTC
  granted_by_id INTEGER NOT NULL,                                   -- GitHub's account id
  granted_by    TEXT    NOT NULL,                                   -- its login then
  expires_at    INTEGER NOT NULL,                                   -- microseconds UTC
  revoked_at    INTEGER NOT NULL,                                   -- microseconds UTC; 0: it was not
  PRIMARY KEY (org_id, id)
) STRICT;

-- Who is signed in. They are the server's own: a session may reach into several organisations.
CREATE TABLE sessions (
  id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 64), -- SHA-256 of the cookie's secret
  person_id  INTEGER NOT NULL, -- GitHub's account id; 0: an auditor, by their grant
  login      TEXT    NOT NULL, -- as GitHub said then, or the grant's name
  grant_org  INTEGER NOT NULL, -- 0: signed in at GitHub
  grant_id   TEXT    NOT NULL,
  token      BLOB    NOT NULL, -- sealed with a key that only the cookie gives; empty: none
  began_at   INTEGER NOT NULL, -- microseconds UTC
  expires_at INTEGER NOT NULL, -- microseconds UTC
  looked_at  INTEGER NOT NULL  -- when GitHub was last asked what the person sees, microseconds UTC; 0: never
) STRICT;
CREATE INDEX sessions_by_person ON sessions (person_id);

CREATE TABLE session_orgs (
  session TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  org_id  INTEGER NOT NULL,
  login   TEXT    NOT NULL, -- as GitHub said then
  role    TEXT    NOT NULL CHECK (role IN ('viewer', 'compliance', 'admin')),
  PRIMARY KEY (session, org_id)
) STRICT, WITHOUT ROWID;

-- The repositories that a viewer reads.
CREATE TABLE session_repositories (
  session TEXT    NOT NULL,
  org_id  INTEGER NOT NULL,
  repo_id INTEGER NOT NULL,
  PRIMARY KEY (session, org_id, repo_id),
  FOREIGN KEY (session, org_id) REFERENCES session_orgs (session, org_id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
