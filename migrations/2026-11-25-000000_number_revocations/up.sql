-- The value of the counter `revocations` when the row was written. The counter's row is held until the transaction
-- commits, so these numbers come in the order of the commits: reading those behind the last one misses none.
ALTER TABLE revocations ADD COLUMN revision bigint NOT NULL DEFAULT 0;
CREATE INDEX revocations_revision ON revocations (revision);
