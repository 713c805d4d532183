-- +goose Up

-- When each installation wrote to GitHub, for at least the last minute: how often it may is bounded,
-- over all processes. Like the queue, it is the server's own.
CREATE TABLE github_writes (
  installation_id BIGINT NOT NULL,
  at              BIGINT NOT NULL, -- microseconds UTC; of two at one time, the second is a microsecond later
  PRIMARY KEY (installation_id, at)
);

-- How urgent the write is that the job waits for room for, store.WriteClass; 0: it waits for none.
ALTER TABLE jobs ADD COLUMN write_class BIGINT NOT NULL DEFAULT 0 CHECK (write_class >= 0);
