-- How many live grants one user may have at one client, and a client's own number in its stead. One more login ends the
-- oldest.
ALTER TABLE settings ADD COLUMN grant_limit bigint NOT NULL DEFAULT 100;
ALTER TABLE clients ADD COLUMN grant_limit bigint;

-- Finds the oldest of them without reading those that ended and are not purged yet. A refresh changes none of its
-- columns.
CREATE INDEX grants_unrevoked ON grants (user_id, client_id, created_at) WHERE revoked_at IS NULL;
