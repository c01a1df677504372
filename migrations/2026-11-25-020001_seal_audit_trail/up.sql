-- Whether what was tried came about: success or failure.
ALTER TABLE audit_events ADD COLUMN outcome text NOT NULL DEFAULT 'success';
-- The seal that the event is under; none until it is sealed.
ALTER TABLE audit_events ADD COLUMN seal bigint;

-- A page of events, newest or oldest first, of all or of one actor, target or action.
DROP INDEX audit_events_at;
CREATE INDEX audit_events_at ON audit_events (at, id);
CREATE INDEX audit_events_actor ON audit_events (actor, at, id);
CREATE INDEX audit_events_target ON audit_events (target, at, id);
CREATE INDEX audit_events_action ON audit_events (action, at, id);
CREATE INDEX audit_events_failed ON audit_events (at, id) WHERE outcome = 'failure';
-- What is to be sealed, and what is under a seal, each in the order in which it is sealed.
CREATE INDEX audit_events_unsealed ON audit_events (at, id) WHERE seal IS NULL;
CREATE INDEX audit_events_sealed ON audit_events (seal, at, id) WHERE seal IS NOT NULL;

-- Each seal vouches for some events, and for the seal before it.
CREATE TABLE audit_seals (
    number bigint NOT NULL PRIMARY KEY,
    events bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    -- Of the signing key, which is kept here for when it has left the table of keys.
    kid text NOT NULL,
    public_jwk jsonb NOT NULL,
    -- A compact JWS of all the above.
    signature text NOT NULL,
    sealed_at timestamptz NOT NULL,
    -- When its events were removed.
    purged_at timestamptz
);
CREATE INDEX audit_seals_unpurged ON audit_seals (last_at) WHERE purged_at IS NULL;

-- Seconds.
ALTER TABLE settings ADD COLUMN audit_retention bigint NOT NULL DEFAULT 31536000;
-- Whether each token that is issued is an event.
ALTER TABLE settings ADD COLUMN audit_tokens boolean NOT NULL DEFAULT false;
