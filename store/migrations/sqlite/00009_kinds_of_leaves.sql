-- The records of one kind are found without reading the others.

-- +goose Up
ALTER TABLE log_leaves ADD COLUMN kind TEXT NOT NULL DEFAULT ''; -- as in the leaf
UPDATE log_leaves SET kind = json_extract(CAST(leaf AS TEXT), '$.kind');
CREATE INDEX log_leaves_by_kind ON log_leaves (org_id, kind, leaf_index);
