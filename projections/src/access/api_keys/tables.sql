-- The keys by which programs act for tenants.
create table api_keys (
    key        uuid        not null primary key,
    tenant     int         not null,
    name       text        not null,
    digest     bytea       not null unique check (length(digest) = 32),
    scopes     text[]      not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    position   bigint      not null
);
comment on table api_keys is 'One row per key, known by its digest only.';
