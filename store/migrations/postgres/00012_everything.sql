-- The schema as SQLite has it after its version of the same number. What differs: BIGINT for
-- INTEGER, BYTEA for BLOB, and text that is ordered by its bytes, in whatever order the database
-- has. From here on each change has a file of the same number in both folders.
-- Times are microseconds since 1970, UTC; 0 means never. Booleans are 0 and 1.

-- +goose Up
CREATE TABLE orgs (
  org_id     BIGINT           NOT NULL PRIMARY KEY CHECK (org_id > 0), -- GitHub's account id
  login      TEXT COLLATE "C" NOT NULL, -- as last seen; may change
  observed   BIGINT           NOT NULL CHECK (observed >= 0), -- seq of the newest observation
  sealed     BIGINT           NOT NULL CHECK (sealed BETWEEN 0 AND observed), -- observations up to this seq are in a leaf
  first_seen BIGINT           NOT NULL -- microseconds UTC
);

CREATE TABLE deliveries (
  delivery_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (delivery_id <> ''), -- X-GitHub-Delivery
  event           TEXT COLLATE "C" NOT NULL,
  action          TEXT COLLATE "C" NOT NULL,
  installation_id BIGINT           NOT NULL,
  org_id          BIGINT           NOT NULL, -- 0: unknown
  repo_id         BIGINT           NOT NULL, -- 0: none
  payload         BYTEA            NOT NULL, -- exact bytes
  payload_sha256  TEXT COLLATE "C" NOT NULL CHECK (length(payload_sha256) = 64),
  secret_index    BIGINT           NOT NULL, -- which webhook secret verified it, from 0
  received_at     BIGINT           NOT NULL, -- microseconds UTC
  undecodable     TEXT COLLATE "C" NOT NULL -- why it could not be used; empty: it was
);
CREATE INDEX deliveries_by_org ON deliveries (org_id, received_at);
CREATE INDEX deliveries_undecodable ON deliveries (received_at) WHERE undecodable <> '';

CREATE TABLE observations (
  org_id         BIGINT           NOT NULL REFERENCES orgs (org_id),
  seq            BIGINT           NOT NULL CHECK (seq > 0), -- order of receipt in the organisation, without gaps
  delivery_id    TEXT COLLATE "C" NOT NULL,
  event          TEXT COLLATE "C" NOT NULL,
  action         TEXT COLLATE "C" NOT NULL,
  received_at    BIGINT           NOT NULL, -- microseconds UTC
  repo_id        BIGINT           NOT NULL, -- 0: none
  number         BIGINT           NOT NULL, -- pull request; 0: none
  head_sha       TEXT COLLATE "C" NOT NULL, -- empty: none
  payload_sha256 TEXT COLLATE "C" NOT NULL CHECK (length(payload_sha256) = 64),
  body           BYTEA            NOT NULL, -- what the event said, JSON
  PRIMARY KEY (org_id, seq),
  UNIQUE (org_id, delivery_id)
);
CREATE INDEX observations_by_change ON observations (org_id, repo_id, number, seq) WHERE number > 0;
CREATE INDEX observations_by_head ON observations (org_id, repo_id, head_sha, seq) WHERE head_sha <> '' AND number = 0;
CREATE INDEX observations_pushes ON observations (org_id, repo_id, seq) WHERE event = 'push';

CREATE TABLE changes (
  org_id          BIGINT           NOT NULL REFERENCES orgs (org_id),
  repo_id         BIGINT           NOT NULL CHECK (repo_id > 0),
  number          BIGINT           NOT NULL CHECK (number > 0),
  repository      TEXT COLLATE "C" NOT NULL, -- owner/name, as last seen
  installation_id BIGINT           NOT NULL,
  head_sha        TEXT COLLATE "C" NOT NULL,
  base_ref        TEXT COLLATE "C" NOT NULL,
  governing_ref   TEXT COLLATE "C" NOT NULL, -- the branch it was last judged by; empty: never judged
  is_open         BIGINT           NOT NULL CHECK (is_open IN (0, 1)),
  updated_at      BIGINT           NOT NULL, -- GitHub's updated_at of the newest event, microseconds UTC; 0: unknown
  -- the newest decision; all empty when there is none
  record_id       TEXT COLLATE "C" NOT NULL,
  decided_head    TEXT COLLATE "C" NOT NULL,
  check_name      TEXT COLLATE "C" NOT NULL,
  verdict         TEXT COLLATE "C" NOT NULL,
  severity        BIGINT           NOT NULL CHECK (severity >= 0), -- 0: best
  final           BIGINT           NOT NULL CHECK (final IN (0, 1)),
  PRIMARY KEY (org_id, repo_id, number)
);
CREATE INDEX changes_by_head ON changes (org_id, repo_id, head_sha);

-- Every head that a change ever had: an event on a commit finds its changes here.
CREATE TABLE change_heads (
  org_id   BIGINT           NOT NULL,
  repo_id  BIGINT           NOT NULL,
  head_sha TEXT COLLATE "C" NOT NULL CHECK (head_sha <> ''),
  number   BIGINT           NOT NULL,
  PRIMARY KEY (org_id, repo_id, head_sha, number),
  FOREIGN KEY (org_id, repo_id, number) REFERENCES changes (org_id, repo_id, number)
);

-- What a reviewer was allowed to do when the review was first read.
CREATE TABLE review_permissions (
  org_id     BIGINT           NOT NULL REFERENCES orgs (org_id),
  repo_id    BIGINT           NOT NULL,
  number     BIGINT           NOT NULL,
  review_id  BIGINT           NOT NULL,
  permission TEXT COLLATE "C" NOT NULL,
  read_at    BIGINT           NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, repo_id, number, review_id)
);

-- Whether whoever declared an emergency was in the emergency team when the comment was first
-- looked at.
CREATE TABLE emergency_members (
  org_id     BIGINT           NOT NULL REFERENCES orgs (org_id),
  repo_id    BIGINT           NOT NULL,
  number     BIGINT           NOT NULL, -- pull request
  comment_id BIGINT           NOT NULL,
  member     TEXT COLLATE "C" NOT NULL CHECK (member IN ('yes', 'no')),
  read_at    BIGINT           NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, repo_id, number, comment_id)
);

CREATE TABLE jobs (
  id               BIGINT           NOT NULL PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY,
  org_id           BIGINT           NOT NULL REFERENCES orgs (org_id),
  kind             TEXT COLLATE "C" NOT NULL CHECK (kind <> ''), -- store.Kind…
  ukey             TEXT COLLATE "C" NOT NULL CHECK (ukey <> ''),
  installation_id  BIGINT           NOT NULL,
  repo_id          BIGINT           NOT NULL CHECK (repo_id >= 0), -- exception: 0 when it is the organisation's
  repository       TEXT COLLATE "C" NOT NULL,
  number           BIGINT           NOT NULL, -- evaluate: pull request
  head_sha         TEXT COLLATE "C" NOT NULL, -- publish, group
  check_name       TEXT COLLATE "C" NOT NULL, -- publish
  ref              TEXT COLLATE "C" NOT NULL, -- branch: its name; group: the branch that it is to be merged into; exception: its id
  delivery_id      TEXT COLLATE "C" NOT NULL, -- newest delivery that marked it
  wanted_gen       BIGINT           NOT NULL, -- counts marks
  done_gen         BIGINT           NOT NULL CHECK (done_gen <= wanted_gen), -- marks that were served
  attempts         BIGINT           NOT NULL CHECK (attempts >= 0), -- failed runs since the newest mark
  run_at           BIGINT           NOT NULL, -- not before, microseconds UTC
  hold_until       BIGINT           NOT NULL, -- no mark makes it run before, microseconds UTC
  enqueued_at      BIGINT           NOT NULL, -- oldest mark not served, microseconds UTC
  next_enqueued_at BIGINT           NOT NULL, -- oldest mark since the running lease began, microseconds UTC; 0: none
  started_at       BIGINT           NOT NULL, -- last claim, microseconds UTC; 0: never
  lease            TEXT COLLATE "C" NOT NULL, -- random token; empty: not leased
  lease_owner      TEXT COLLATE "C" NOT NULL,
  lease_until      BIGINT           NOT NULL, -- microseconds UTC
  dead             BIGINT           NOT NULL CHECK (dead IN (0, 1)),
  last_error       TEXT COLLATE "C" NOT NULL,
  last_error_at    BIGINT           NOT NULL, -- microseconds UTC; 0: never
  UNIQUE (org_id, kind, ukey)
);
CREATE INDEX jobs_pending ON jobs (run_at, id) WHERE wanted_gen > done_gen AND dead = 0;
CREATE INDEX jobs_dead ON jobs (last_error_at) WHERE dead = 1;

-- Facts, policies and catalogues, once per content and organisation.
CREATE TABLE blobs (
  org_id BIGINT           NOT NULL REFERENCES orgs (org_id),
  sha256 TEXT COLLATE "C" NOT NULL CHECK (length(sha256) = 64), -- of the exact bytes, before compression
  size   BIGINT           NOT NULL CHECK (size > 0), -- of the exact bytes
  gzip   BYTEA            NOT NULL,
  PRIMARY KEY (org_id, sha256)
);

CREATE TABLE decisions (
  org_id           BIGINT           NOT NULL REFERENCES orgs (org_id),
  record_id        TEXT COLLATE "C" NOT NULL CHECK (record_id <> ''), -- random; external_id of the check run
  leaf_index       BIGINT           NOT NULL CHECK (leaf_index >= 0),
  repo_id          BIGINT           NOT NULL CHECK (repo_id > 0),
  repository       TEXT COLLATE "C" NOT NULL,
  number           BIGINT           NOT NULL CHECK (number >= 0), -- pull request; 0: a merge group
  head_sha         TEXT COLLATE "C" NOT NULL CHECK (head_sha <> ''),
  base_ref         TEXT COLLATE "C" NOT NULL,
  check_name       TEXT COLLATE "C" NOT NULL CHECK (check_name <> ''),
  verdict          TEXT COLLATE "C" NOT NULL CHECK (verdict <> ''),
  severity         BIGINT           NOT NULL CHECK (severity >= 0), -- 0: best
  final            BIGINT           NOT NULL CHECK (final IN (0, 1)),
  facts_sha256     TEXT COLLATE "C" NOT NULL, -- in blobs; empty: none
  policy_sha256    TEXT COLLATE "C" NOT NULL, -- in blobs; empty: none
  catalogue_sha256 TEXT COLLATE "C" NOT NULL, -- in blobs; empty: none
  decision         BYTEA            NOT NULL, -- exact bytes, JSON
  decision_sha256  TEXT COLLATE "C" NOT NULL CHECK (length(decision_sha256) = 64),
  note             TEXT COLLATE "C" NOT NULL,
  recorded_at      BIGINT           NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, record_id),
  UNIQUE (org_id, leaf_index)
);
CREATE INDEX decisions_by_change ON decisions (org_id, repo_id, number, leaf_index);
CREATE INDEX decisions_by_head ON decisions (org_id, repo_id, number, head_sha, leaf_index);

-- What GitHub should show on a head under a check name, and what it was last told.
CREATE TABLE check_runs (
  org_id               BIGINT           NOT NULL REFERENCES orgs (org_id),
  repo_id              BIGINT           NOT NULL CHECK (repo_id > 0),
  head_sha             TEXT COLLATE "C" NOT NULL CHECK (head_sha <> ''),
  check_name           TEXT COLLATE "C" NOT NULL CHECK (check_name <> ''),
  repository           TEXT COLLATE "C" NOT NULL,
  wanted_record_id     TEXT COLLATE "C" NOT NULL,
  wanted_also          TEXT COLLATE "C" NOT NULL, -- numbers of the other open changes judged here, JSON
  attempting_record_id TEXT COLLATE "C" NOT NULL, -- a write was begun and not confirmed; empty: none
  github_id            BIGINT           NOT NULL, -- 0: none
  published_record_id  TEXT COLLATE "C" NOT NULL, -- empty: nothing published
  published_said       TEXT COLLATE "C" NOT NULL,
  published_status     TEXT COLLATE "C" NOT NULL,
  published_conclusion TEXT COLLATE "C" NOT NULL,
  published_at         BIGINT           NOT NULL, -- microseconds UTC; 0: never
  PRIMARY KEY (org_id, repo_id, head_sha, check_name),
  FOREIGN KEY (org_id, wanted_record_id) REFERENCES decisions (org_id, record_id)
);

-- What did not hold, as its newest step left it. Every step is a leaf of the log.
CREATE TABLE exceptions (
  org_id     BIGINT           NOT NULL REFERENCES orgs (org_id),
  id         TEXT COLLATE "C" NOT NULL CHECK (id <> ''), -- random
  kind       TEXT COLLATE "C" NOT NULL CHECK (kind <> ''),
  subject    TEXT COLLATE "C" NOT NULL CHECK (subject <> ''), -- what it is about: there is one per kind and subject
  repo_id    BIGINT           NOT NULL CHECK (repo_id >= 0), -- 0: the organisation's
  number     BIGINT           NOT NULL CHECK (number >= 0), -- pull request; 0: none
  state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'remediated', 'closed')),
  due_at     BIGINT           NOT NULL, -- microseconds UTC; 0: never
  leaf_index BIGINT           NOT NULL CHECK (leaf_index >= 0), -- of the newest step
  body       BYTEA            NOT NULL, -- exact bytes of that leaf's body, JSON
  issue      BIGINT           NOT NULL DEFAULT 0 CHECK (issue >= 0), -- its number in the repository; 0: none
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, kind, subject)
);
CREATE INDEX exceptions_by_change ON exceptions (org_id, repo_id, number);
CREATE INDEX exceptions_by_issue ON exceptions (org_id, repo_id, issue) WHERE issue > 0;

CREATE TABLE exception_steps (
  org_id     BIGINT           NOT NULL,
  id         TEXT COLLATE "C" NOT NULL,
  leaf_index BIGINT           NOT NULL CHECK (leaf_index >= 0),
  PRIMARY KEY (org_id, id, leaf_index),
  FOREIGN KEY (org_id, id) REFERENCES exceptions (org_id, id)
);

-- The newest attestation of every ruleset. All of them are in the log.
CREATE TABLE attestations (
  org_id      BIGINT NOT NULL REFERENCES orgs (org_id),
  ruleset_id  BIGINT NOT NULL CHECK (ruleset_id > 0),
  leaf_index  BIGINT NOT NULL CHECK (leaf_index >= 0),
  attested_at BIGINT NOT NULL, -- microseconds UTC
  updated_at  BIGINT NOT NULL, -- GitHub's time of the ruleset's last change then, microseconds UTC
  void_at     BIGINT NOT NULL, -- when a delivery said that the ruleset was changed, microseconds UTC; 0: none did
  body        BYTEA  NOT NULL, -- exact bytes of the leaf's body, JSON
  PRIMARY KEY (org_id, ruleset_id)
);

-- How a branch is protected, as it was last seen. Every state that it was in is in the log.
CREATE TABLE protection_snapshots (
  org_id     BIGINT           NOT NULL REFERENCES orgs (org_id),
  repo_id    BIGINT           NOT NULL CHECK (repo_id > 0),
  ref        TEXT COLLATE "C" NOT NULL CHECK (ref <> ''),
  digest     TEXT COLLATE "C" NOT NULL CHECK (length(digest) = 64), -- of what is protected, SHA-256
  holds      TEXT COLLATE "C" NOT NULL CHECK (holds IN ('yes', 'no', 'unknown')),
  since      BIGINT           NOT NULL, -- microseconds UTC
  leaf_index BIGINT           NOT NULL CHECK (leaf_index >= 0),
  held       TEXT COLLATE "C" NOT NULL DEFAULT '', -- digest of the newest settings that held; empty: none did
  drifted    TEXT COLLATE "C" NOT NULL DEFAULT '', -- digest of the newest that an exception was opened for since; empty: none
  PRIMARY KEY (org_id, repo_id, ref)
);

-- What the last decision of each branch was judged by: what stands in for a policy file that
-- cannot be used, and what tells that an organisation had a policy when it is gone.
CREATE TABLE policies (
  org_id        BIGINT           NOT NULL,
  repo_id       BIGINT           NOT NULL CHECK (repo_id >= 0), -- 0: the organisation's own policy
  governing_ref TEXT COLLATE "C" NOT NULL, -- empty for the organisation's own policy
  policy_sha256 TEXT COLLATE "C" NOT NULL CHECK (policy_sha256 <> ''), -- the blob of that decision
  enforces      BIGINT           NOT NULL CHECK (enforces IN (0, 1)), -- of the organisation's own policy: mode enforce
  record_id     TEXT COLLATE "C" NOT NULL CHECK (record_id <> ''), -- that decision
  PRIMARY KEY (org_id, repo_id, governing_ref),
  FOREIGN KEY (org_id, policy_sha256) REFERENCES blobs (org_id, sha256)
);

-- The branches whose updates are compared with the decisions about them.
CREATE TABLE branches (
  org_id      BIGINT           NOT NULL REFERENCES orgs (org_id),
  repo_id     BIGINT           NOT NULL CHECK (repo_id > 0),
  ref         TEXT COLLATE "C" NOT NULL CHECK (ref <> ''), -- without refs/heads/
  repository  TEXT COLLATE "C" NOT NULL, -- owner/name, as last seen
  mode        TEXT COLLATE "C" NOT NULL CHECK (mode IN ('enforce', 'audit')),
  activity_id BIGINT           NOT NULL, -- newest entry of GitHub's activity that was looked at; 0: none
  tip         TEXT COLLATE "C" NOT NULL, -- commit that it led to; zeros: the branch was deleted
  seq         BIGINT           NOT NULL, -- pushes received up to here were found in the activity
  since       BIGINT           NOT NULL, -- when following began; microseconds
  blind_since BIGINT           NOT NULL, -- since when the activity cannot be read; 0: it can
  PRIMARY KEY (org_id, repo_id, ref)
);

-- Every update of such a branch, each with the leaf that says what was found.
CREATE TABLE branch_updates (
  org_id      BIGINT           NOT NULL,
  repo_id     BIGINT           NOT NULL,
  activity_id BIGINT           NOT NULL CHECK (activity_id > 0), -- GitHub's id of the update
  ref         TEXT COLLATE "C" NOT NULL,
  before_sha  TEXT COLLATE "C" NOT NULL,
  after_sha   TEXT COLLATE "C" NOT NULL,
  type        TEXT COLLATE "C" NOT NULL, -- GitHub's: push, pr_merge, ...
  actor_id    BIGINT           NOT NULL, -- 0: not known
  actor       TEXT COLLATE "C" NOT NULL,
  at          BIGINT           NOT NULL, -- GitHub's; microseconds
  source      TEXT COLLATE "C" NOT NULL CHECK (source IN ('delivery', 'activity')), -- what told of it first
  seq         BIGINT           NOT NULL, -- of the delivery that told of it; 0: none did
  delivery_id TEXT COLLATE "C" NOT NULL,
  received_at BIGINT           NOT NULL, -- microseconds; 0: no delivery
  findings    BIGINT           NOT NULL CHECK (findings >= 0), -- how many there were
  leaf_index  BIGINT           NOT NULL, -- the leaf of kind "merge"
  PRIMARY KEY (org_id, repo_id, activity_id)
);

-- The log of an organisation: head, leaves, bodies, hashes, checkpoints.
CREATE TABLE log_heads (
  org_id BIGINT           NOT NULL PRIMARY KEY REFERENCES orgs (org_id),
  origin TEXT COLLATE "C" NOT NULL CHECK (origin <> ''), -- first line of its checkpoints, fixed with the first leaf
  size   BIGINT           NOT NULL CHECK (size >= 0), -- number of leaves
  root   BYTEA            NOT NULL CHECK (length(root) = 32)
);

CREATE TABLE log_leaves (
  org_id     BIGINT           NOT NULL REFERENCES log_heads (org_id),
  leaf_index BIGINT           NOT NULL CHECK (leaf_index >= 0),
  leaf       BYTEA            NOT NULL, -- exact bytes
  -- Disposed of together: both, or neither.
  salt       BYTEA            CHECK (length(salt) = 32),
  body       BYTEA,
  kind       TEXT COLLATE "C" NOT NULL DEFAULT '', -- as in the leaf
  PRIMARY KEY (org_id, leaf_index),
  CHECK ((salt IS NULL) = (body IS NULL))
);
CREATE INDEX log_leaves_by_kind ON log_leaves (org_id, kind, leaf_index);

CREATE TABLE log_hashes (
  org_id   BIGINT NOT NULL REFERENCES log_heads (org_id),
  position BIGINT NOT NULL CHECK (position >= 0), -- golang.org/x/mod/sumdb/tlog's storage order
  hash     BYTEA  NOT NULL CHECK (length(hash) = 32),
  PRIMARY KEY (org_id, position)
);

CREATE TABLE checkpoints (
  org_id    BIGINT NOT NULL REFERENCES log_heads (org_id),
  size      BIGINT NOT NULL CHECK (size > 0), -- number of leaves
  signed    BYTEA  NOT NULL, -- C2SP signed note, exact bytes
  signed_at BIGINT NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, size)
);

-- What witnesses signed of the checkpoints.
CREATE TABLE cosignatures (
  org_id      BIGINT           NOT NULL,
  witness     TEXT COLLATE "C" NOT NULL CHECK (witness <> ''), -- its public key
  size        BIGINT           NOT NULL, -- of the checkpoint
  lines       BYTEA            NOT NULL, -- signature lines, as they follow the checkpoint's own
  cosigned_at BIGINT           NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, witness, size),
  FOREIGN KEY (org_id, size) REFERENCES checkpoints (org_id, size)
);

-- By which name and with which key a log's checkpoints are signed, since when. A log of one key
-- has no rows.
CREATE TABLE log_terms (
  org_id     BIGINT           NOT NULL REFERENCES log_heads (org_id),
  leaf_index BIGINT           NOT NULL CHECK (leaf_index >= -1), -- leaf that began the term: it is that of checkpoints of more leaves; -1: the first
  origin     TEXT COLLATE "C" NOT NULL CHECK (origin <> ''), -- first line of its checkpoints
  public     TEXT COLLATE "C" NOT NULL CHECK (public <> ''), -- key that signs them
  PRIMARY KEY (org_id, leaf_index)
);

-- What witnesses know of a log that it does not extend.
CREATE TABLE log_contradictions (
  org_id   BIGINT           NOT NULL REFERENCES log_heads (org_id),
  origin   TEXT COLLATE "C" NOT NULL CHECK (origin <> ''),
  witness  TEXT COLLATE "C" NOT NULL CHECK (witness <> ''), -- its public key
  size     BIGINT           NOT NULL CHECK (size >= 0), -- number of leaves that it knows
  found_at BIGINT           NOT NULL, -- microseconds UTC
  PRIMARY KEY (org_id, origin, witness)
);
