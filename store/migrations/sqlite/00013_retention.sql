-- Bodies, payloads and blobs are disposed of when they are kept no longer. What is still there is
-- found without reading what is not, and so is what refers to a blob.

-- +goose Up
ALTER TABLE orgs ADD COLUMN installation_id INTEGER NOT NULL DEFAULT 0; -- the newest that was heard of: GitHub's ids grow; 0: none
ALTER TABLE orgs ADD COLUMN uninstalled_at INTEGER NOT NULL DEFAULT 0;  -- when that one was said to be gone, microseconds UTC; 0: it was not

ALTER TABLE deliveries ADD COLUMN disposed INTEGER NOT NULL DEFAULT 0 CHECK (disposed IN (0, 1)); -- 1: the payload is gone, its digest stays
CREATE INDEX deliveries_kept ON deliveries (org_id, received_at, delivery_id) WHERE disposed = 0;
DROP INDEX deliveries_by_org;

ALTER TABLE observations ADD COLUMN disposed INTEGER NOT NULL DEFAULT 0 CHECK (disposed IN (0, 1)); -- 1: the body is gone
CREATE INDEX observations_kept ON observations (org_id, seq) WHERE disposed = 0;

CREATE INDEX log_leaves_kept ON log_leaves (org_id, leaf_index) WHERE body IS NOT NULL;
CREATE INDEX decisions_by_facts ON decisions (org_id, facts_sha256);
CREATE INDEX decisions_by_policy ON decisions (org_id, policy_sha256);
CREATE INDEX decisions_by_catalogue ON decisions (org_id, catalogue_sha256);
CREATE INDEX check_runs_by_record ON check_runs (org_id, wanted_record_id);
