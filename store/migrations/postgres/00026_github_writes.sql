-- +goose Up

-- When each installation wrote to GitHub, as far back as decides whether it may write again: how often it
-- may is bounded, over all processes. Like the queue, it is the server's own.
CREATE TABLE github_writes (
  installation_id BIGINT NOT NULL,
  n               BIGINT NOT NULL CHECK (n > 0), -- counts its writes
  at              BIGINT NOT NULL,               -- microseconds UTC
  PRIMARY KEY (installation_id, n)
);

-- How urgent the write is that the job waits for room for, store.WriteClass; 0: it waits for none.
ALTER TABLE jobs ADD COLUMN write_class BIGINT NOT NULL DEFAULT 0 CHECK (write_class >= 0);
