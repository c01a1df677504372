-- Answers of the administration API to requests that carried an Idempotency-Key, for a day: whoever asks again gets the same.
CREATE TABLE remembered_answers (
    -- A MAC of the administrator and the key.
    key bytea NOT NULL PRIMARY KEY,
    -- SHA-256 of what was asked.
    request_hash bytea NOT NULL,
    -- The answer, which may hold a secret, encrypted under a key that only the Idempotency-Key gives.
    sealed_answer bytea NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX remembered_answers_created_at ON remembered_answers (created_at);
