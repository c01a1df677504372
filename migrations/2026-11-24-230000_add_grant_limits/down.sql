DROP INDEX grants_unrevoked;
ALTER TABLE clients DROP COLUMN grant_limit;
ALTER TABLE settings DROP COLUMN grant_limit;
