CREATE INDEX status_leases_status_list_id ON status_leases (status_list_id);
DROP INDEX status_leases_first_index;
CREATE INDEX status_leases_client_id ON status_leases (client_id);
DROP INDEX status_leases_taker;
DROP INDEX status_leases_leased_at;
DROP INDEX grants_revoked_at;
