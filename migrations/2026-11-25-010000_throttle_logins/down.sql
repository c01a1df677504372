ALTER TABLE settings DROP COLUMN login_longest_block;
ALTER TABLE settings DROP COLUMN login_window;
ALTER TABLE settings DROP COLUMN login_limit_per_known_pair;
ALTER TABLE settings DROP COLUMN login_limit_per_pair;
ALTER TABLE settings DROP COLUMN login_limit_per_address;
ALTER TABLE settings DROP COLUMN login_limit_per_name;
ALTER TABLE settings DROP COLUMN login_throttling;
DROP TABLE known_addresses;
DROP TABLE login_throttles;
