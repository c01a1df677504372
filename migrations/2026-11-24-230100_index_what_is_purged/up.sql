-- What may go is found by when it ended. `idle_expires_at`, which every refresh changes, has no index on purpose: grants
-- that were only left alone are found by going through the table.
CREATE INDEX grants_revoked_at ON grants (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX status_leases_leased_at ON status_leases (leased_at) WHERE client_id IS NOT NULL;

-- Leases for grants, which have no client, are gone through in the order of their making.
CREATE INDEX status_leases_taker ON status_leases (client_id, id);
DROP INDEX status_leases_client_id;

-- A list is retired when nothing refers to it: the first lease of a list is found by one look, as the first grant is.
CREATE INDEX status_leases_first_index ON status_leases (status_list_id, first_index);
DROP INDEX status_leases_status_list_id;
