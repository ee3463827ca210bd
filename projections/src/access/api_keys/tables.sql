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
comment on column api_keys.key is 'Its id.';
comment on column api_keys.tenant is 'Whose key.';
comment on column api_keys.name is 'Its short name.';
comment on column api_keys.digest is 'SHA-256 of the key.';
comment on column api_keys.scopes is 'Wire names of what it may do.';
comment on column api_keys.created_at is 'When it was made.';
comment on column api_keys.expires_at is 'When it ceases to work; never when absent.';
comment on column api_keys.revoked_at is 'When it was revoked.';
comment on column api_keys.position is 'Position of its last event.';
