-- A longer `key_retention` of before a change, and until when it still holds: tokens issued under it live so long.
ALTER TABLE settings ADD COLUMN former_key_retention bigint;
ALTER TABLE settings ADD COLUMN former_key_retention_until timestamptz;
-- Until when verifiers may hold a key set that they got under a longer `jwks_max_age`: no new key signs before.
ALTER TABLE settings ADD COLUMN former_key_sets_until timestamptz;
