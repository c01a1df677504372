ALTER TABLE users DROP COLUMN password_grant_disabled_at;
ALTER TABLE clients DROP COLUMN allowed_networks;
