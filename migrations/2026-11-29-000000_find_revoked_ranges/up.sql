-- Whether one index is revoked is asked for each login, and for each introspection of a client's own token. Nearly all
-- ranges are of one index and are found by `first_index`; the others, which are few, by this.
CREATE INDEX revocations_of_several ON revocations (status_list_id, last_index) WHERE first_index < last_index;
