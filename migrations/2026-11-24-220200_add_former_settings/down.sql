ALTER TABLE settings DROP COLUMN former_key_sets_until;
ALTER TABLE settings DROP COLUMN former_key_retention_until;
ALTER TABLE settings DROP COLUMN former_key_retention;
