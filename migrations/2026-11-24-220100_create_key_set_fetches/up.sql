-- Who fetched the key set, and when last: one row a verifier, so that a rotation can be checked before it takes effect.
CREATE TABLE key_set_fetches (
    -- `resource_server:AUDIENCE` where it authenticated, `hint:AUDIENCE` where it only said so, else `agent:NAME ADDRESS`.
    verifier text NOT NULL PRIMARY KEY,
    last_fetched_at timestamptz NOT NULL,
    -- The `created_at` of the newest key in the set that it got.
    newest_key_at timestamptz NOT NULL
);
CREATE INDEX key_set_fetches_last_fetched_at ON key_set_fetches (last_fetched_at);
