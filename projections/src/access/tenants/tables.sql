-- Tenants, as their events say.
create table tenants (
    tenant           int         not null primary key,
    name             text        not null,
    time_zone        text        not null,
    strict_documents boolean     not null,
    risk_weights     jsonb       not null,
    created_at       timestamptz not null,
    position         bigint      not null
);
comment on table tenants is 'One row per tenant.';
comment on column tenants.tenant is 'Its number.';
comment on column tenants.name is 'Its short name.';
comment on column tenants.time_zone is 'IANA name of the time zone in which its business day begins.';
comment on column tenants.strict_documents is 'Whether a document with a wrong control character is refused.';
comment on column tenants.risk_weights is 'How much suspicious things count, by their names, where that is not as usual.';
comment on column tenants.created_at is 'When it was set up.';
comment on column tenants.position is 'Position of its last event.';
