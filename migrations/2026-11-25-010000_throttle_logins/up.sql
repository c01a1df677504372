-- How many password logins were tried at a name, from an address, and at a name from an address. One statement counts and
-- decides, so the times are numbers that both engines add to: microseconds since 1970, and lengths in microseconds.
CREATE TABLE login_throttles (
    -- A MAC of what is counted. What was typed as a name may be a password.
    key bytea NOT NULL PRIMARY KEY,
    -- Attempts that have not turned out right.
    attempts bigint NOT NULL,
    -- How many there may be before each of them blocks the next.
    allowed bigint NOT NULL,
    -- How long the next block will be; it doubles with each.
    pause bigint NOT NULL,
    blocked_until bigint NOT NULL,
    -- When the attempts no longer count.
    forgotten_at bigint NOT NULL
);
CREATE INDEX login_throttles_forgotten_at ON login_throttles (forgotten_at);

-- From where a user has logged in: an attack on the name from elsewhere does not lock the user out there.
CREATE TABLE known_addresses (
    -- The same MAC, of name and address.
    key bytea NOT NULL PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_login_at timestamptz NOT NULL
);
CREATE INDEX known_addresses_user_id ON known_addresses (user_id, last_login_at);
CREATE INDEX known_addresses_last_login_at ON known_addresses (last_login_at);

ALTER TABLE settings ADD COLUMN login_throttling boolean NOT NULL DEFAULT true;
ALTER TABLE settings ADD COLUMN login_limit_per_name bigint NOT NULL DEFAULT 20;
ALTER TABLE settings ADD COLUMN login_limit_per_address bigint NOT NULL DEFAULT 100;
ALTER TABLE settings ADD COLUMN login_limit_per_pair bigint NOT NULL DEFAULT 10;
ALTER TABLE settings ADD COLUMN login_limit_per_known_pair bigint NOT NULL DEFAULT 20;
-- Seconds, both.
ALTER TABLE settings ADD COLUMN login_window bigint NOT NULL DEFAULT 900;
ALTER TABLE settings ADD COLUMN login_longest_block bigint NOT NULL DEFAULT 900;
