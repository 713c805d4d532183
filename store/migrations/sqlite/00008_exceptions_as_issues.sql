-- An exception may be kept as a GitHub issue, by which it is found. A branch has drifted when its
-- settings are not those that held last. What is looked up for every branch, and around every
-- merge, is found without reading all of it.

-- +goose Up
ALTER TABLE exceptions ADD COLUMN issue INTEGER NOT NULL DEFAULT 0 CHECK (issue >= 0); -- its number in the repository; 0: none
CREATE INDEX exceptions_by_issue ON exceptions (org_id, repo_id, issue) WHERE issue > 0;
DROP INDEX exceptions_open;

ALTER TABLE protection_snapshots ADD COLUMN held TEXT NOT NULL DEFAULT '';    -- digest of the newest settings that held; empty: none did
ALTER TABLE protection_snapshots ADD COLUMN drifted TEXT NOT NULL DEFAULT ''; -- digest of the newest that an exception was opened for since; empty: none
UPDATE protection_snapshots SET held = digest WHERE holds = 'yes';

CREATE INDEX observations_pushes ON observations (org_id, repo_id, seq) WHERE event = 'push';
CREATE INDEX decisions_by_head ON decisions (org_id, repo_id, number, head_sha, leaf_index);
DROP INDEX decisions_by_group;
