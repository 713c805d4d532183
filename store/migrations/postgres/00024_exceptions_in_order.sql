-- +goose Up

-- Lists of exceptions show the newest step first.
CREATE INDEX exceptions_by_step ON exceptions (org_id, leaf_index);
CREATE INDEX exceptions_unsettled ON exceptions (org_id, leaf_index) WHERE state <> 'closed';
