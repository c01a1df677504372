-- The key that signs the tokens which take their indexes from the block; absent for blocks of grants, and for those of
-- clients that were leased before this column was there.
ALTER TABLE status_leases ADD COLUMN kid text;
CREATE INDEX status_leases_kid ON status_leases (kid);

-- Revoking a key moves the grants of a block to another one: their rows are found by their place in the list.
CREATE INDEX grants_status_index ON grants (status_list_id, status_index);
DROP INDEX grants_status_list_id;
