-- The account at a certificate authority (RFC 8555 §7.1.2), by the URL of its directory. All instances share it.
CREATE TABLE acme_accounts (
    directory text NOT NULL PRIMARY KEY,
    -- With the account's private key, sealed under the master key.
    sealed_credentials bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- A certificate that is ordered and renewed. All instances share it; one at a time orders, by a lease.
CREATE TABLE acme_certificates (
    id uuid NOT NULL PRIMARY KEY,
    directory text NOT NULL,
    -- Sorted, separated by commas.
    domains text NOT NULL,
    -- PEM, the certificate itself first; none before the first order has come about.
    chain text,
    sealed_private_key bytea,
    not_before timestamptz,
    not_after timestamptz,
    next_order_at timestamptz NOT NULL,
    -- Orders that have failed since the last that has not.
    failures bigint NOT NULL,
    last_error text,
    -- Until then one instance is at it.
    leased_until timestamptz,
    -- What the authority is to be answered while it checks the domains.
    challenges jsonb NOT NULL,
    -- Counts changes, for the instances that show it.
    version bigint NOT NULL
);
CREATE UNIQUE INDEX acme_certificates_domains ON acme_certificates (directory, domains);
