CREATE INDEX grants_status_list_id ON grants (status_list_id);
DROP INDEX grants_status_index;
DROP INDEX status_leases_kid;
ALTER TABLE status_leases DROP COLUMN kid;
