-- From where a client may log users in with a password: addresses and CIDR blocks; none means from everywhere.
ALTER TABLE clients ADD COLUMN allowed_networks jsonb NOT NULL DEFAULT '[]';
-- Since when a user may not log in with a password.
ALTER TABLE users ADD COLUMN password_grant_disabled_at timestamptz;
