-- Who is told of security events (RFC 8417), and how.
CREATE TABLE webhooks (
    id uuid NOT NULL PRIMARY KEY,
    name text NOT NULL,
    -- 'push' (RFC 8935) or 'poll' (RFC 8936).
    delivery text NOT NULL,
    -- Where it is pushed to.
    endpoint text,
    -- The kinds that are wanted; none means all.
    events jsonb NOT NULL,
    -- The value of the Authorization header that a push sends, sealed under the master key.
    sealed_authorization bytea,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz
);
CREATE UNIQUE INDEX webhooks_name ON webhooks (name);

-- One event on its way to one webhook, written in the transaction of what it tells of.
CREATE TABLE webhook_deliveries (
    -- The `jti` of every token that delivers it.
    id uuid NOT NULL PRIMARY KEY,
    webhook_id uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    -- When it happened.
    at timestamptz NOT NULL,
    attempts bigint NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    -- After this there is no further attempt.
    retry_until timestamptz NOT NULL,
    -- Until then one instance is at it, or one poll has it.
    leased_until timestamptz,
    last_error text,
    delivered_at timestamptz,
    given_up_at timestamptz
);
CREATE INDEX webhook_deliveries_webhook_id ON webhook_deliveries (webhook_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_attempt_at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX webhook_deliveries_retry_until ON webhook_deliveries (retry_until)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX webhook_deliveries_delivered_at ON webhook_deliveries (delivered_at) WHERE delivered_at IS NOT NULL;
CREATE INDEX webhook_deliveries_given_up_at ON webhook_deliveries (given_up_at) WHERE given_up_at IS NOT NULL;

-- When it was recorded that a key has begun to sign, which happens by time alone. Of keys that another has followed
-- already, it is told nobody any more.
ALTER TABLE signing_keys ADD COLUMN activation_noted_at timestamptz;
UPDATE signing_keys SET activation_noted_at = active_at WHERE active_at < (
    SELECT max(newest.active_at) FROM signing_keys AS newest WHERE newest.algorithm = signing_keys.algorithm
);
