-- Portable DDL for PostgreSQL and SQLite: no defaults that only one engine has, named indexes, an index on every
-- foreign-key column. SQLite takes PostgreSQL's type names; `store/backend/types.rs` says what it keeps under them.

CREATE TABLE users (
    id uuid NOT NULL PRIMARY KEY,
    username text NOT NULL,
    -- The name under which a login looks the user up: NFKC, lower case, trimmed. Unique, so that no two users differ
    -- by spelling alone.
    canonical_username text NOT NULL,
    email text,
    -- PHC string; absent for a user who cannot log in with a password.
    password_hash text,
    created_at timestamptz NOT NULL,
    password_changed_at timestamptz NOT NULL,
    -- Counts the changes of the password: two changes may fall on one instant, and a clock may go back.
    password_version bigint NOT NULL,
    last_login_at timestamptz,
    disabled_at timestamptz
);
CREATE UNIQUE INDEX users_canonical_username ON users (canonical_username);

CREATE TABLE resource_servers (
    id uuid NOT NULL PRIMARY KEY,
    -- An absolute URI without fragment (RFC 8707 section 2): what goes into `aud`.
    audience text NOT NULL,
    -- Scope tokens, separated by spaces (RFC 6749 section 3.3).
    scope text NOT NULL,
    -- Seconds.
    access_token_lifetime bigint,
    signing_algorithm text NOT NULL,
    -- Until `signing_algorithm_since`, tokens are still signed with the former algorithm, whose key verifiers know.
    former_signing_algorithm text,
    signing_algorithm_since timestamptz,
    secret_hash bytea NOT NULL,
    -- The secret before the last rotation, good until `previous_secret_expires_at`.
    previous_secret_hash bytea,
    previous_secret_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE UNIQUE INDEX resource_servers_audience ON resource_servers (audience);

CREATE TABLE clients (
    id uuid NOT NULL PRIMARY KEY,
    client_id text NOT NULL,
    -- Absent: the client may present its secret either way.
    token_endpoint_auth_method text,
    grant_types jsonb NOT NULL,
    scope text NOT NULL,
    -- Audiences of resource servers; the first is the default.
    audiences jsonb NOT NULL,
    -- Seconds, each.
    access_token_lifetime bigint,
    refresh_idle_lifetime bigint,
    refresh_absolute_lifetime bigint,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE UNIQUE INDEX clients_client_id ON clients (client_id);

-- Two live secrets a client, so that one rotates without an outage.
CREATE TABLE client_secrets (
    id uuid NOT NULL PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES clients (id) ON DELETE CASCADE,
    -- SHA-256 of 256 random bits.
    secret_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX client_secrets_client_id ON client_secrets (client_id);

CREATE TABLE status_lists (
    id bigint NOT NULL PRIMARY KEY,
    -- Entries in the list, and how many of them leases have taken.
    size bigint NOT NULL,
    allocated bigint NOT NULL,
    created_at timestamptz NOT NULL
);

-- A block of consecutive indexes that one instance hands out: for grants (no client), or for the client-credentials
-- tokens of one client.
CREATE TABLE status_leases (
    id uuid NOT NULL PRIMARY KEY,
    status_list_id bigint NOT NULL REFERENCES status_lists (id),
    client_id uuid,
    first_index bigint NOT NULL,
    size bigint NOT NULL,
    leased_at timestamptz NOT NULL
);
CREATE INDEX status_leases_status_list_id ON status_leases (status_list_id);
CREATE INDEX status_leases_client_id ON status_leases (client_id);

-- One approval: the family that every token of it points to. A refresh changes one row and adds none.
CREATE TABLE grants (
    id uuid NOT NULL PRIMARY KEY,
    client_id uuid NOT NULL REFERENCES clients (id),
    user_id uuid NOT NULL REFERENCES users (id),
    audiences jsonb NOT NULL,
    scope text NOT NULL,
    -- The generation of the one refresh token that is good now.
    generation bigint NOT NULL,
    created_at timestamptz NOT NULL,
    rotated_at timestamptz,
    idle_expires_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_reason text,
    status_list_id bigint NOT NULL REFERENCES status_lists (id),
    status_index bigint NOT NULL
);
CREATE INDEX grants_client_id ON grants (client_id);
CREATE INDEX grants_user_id ON grants (user_id);
CREATE INDEX grants_status_list_id ON grants (status_list_id);
CREATE INDEX grants_expires_at ON grants (expires_at);

-- Ranges of status-list indexes that are invalid: what the published lists are built from.
CREATE TABLE revocations (
    id uuid NOT NULL PRIMARY KEY,
    status_list_id bigint NOT NULL REFERENCES status_lists (id),
    first_index bigint NOT NULL,
    last_index bigint NOT NULL,
    revoked_at timestamptz NOT NULL,
    -- When the last token that carries one of the indexes has expired.
    expires_at timestamptz NOT NULL
);
CREATE INDEX revocations_status_list_id ON revocations (status_list_id, first_index);
CREATE INDEX revocations_expires_at ON revocations (expires_at);

CREATE TABLE signing_keys (
    kid text NOT NULL PRIMARY KEY,
    algorithm text NOT NULL,
    public_jwk jsonb NOT NULL,
    sealed_private_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    -- A key's state follows from these and the time; there is no status column.
    active_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE sealed_secrets (
    name text NOT NULL,
    version bigint NOT NULL,
    ciphertext bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

-- One row. Every duration is in seconds.
CREATE TABLE settings (
    id bigint NOT NULL PRIMARY KEY CHECK (id = 1),
    access_token_lifetime bigint NOT NULL,
    refresh_idle_lifetime bigint NOT NULL,
    refresh_absolute_lifetime bigint NOT NULL,
    retry_window bigint NOT NULL,
    key_rotation_interval bigint NOT NULL,
    key_publication_period bigint NOT NULL,
    key_retention bigint NOT NULL,
    jwks_max_age bigint NOT NULL
);

-- Counts the changes of a topic, so that an instance sees by one small read that what it holds is stale.
CREATE TABLE revisions (
    topic text NOT NULL PRIMARY KEY,
    revision bigint NOT NULL
);

CREATE TABLE audit_events (
    id uuid NOT NULL PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    details jsonb NOT NULL,
    address text,
    request_id text
);
CREATE INDEX audit_events_at ON audit_events (at);

INSERT INTO settings VALUES (1, 600, 1209600, 7776000, 30, 7776000, 86400, 90000, 300);
INSERT INTO revisions VALUES ('configuration', 0);
INSERT INTO revisions VALUES ('keys', 0);
INSERT INTO revisions VALUES ('revocations', 0);
