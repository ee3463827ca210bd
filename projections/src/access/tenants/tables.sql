-- Tenants, as their events say.
create table tenants (
    tenant     int         not null primary key,
    name       text        not null,
    time_zone  text        not null,
    created_at timestamptz not null,
    position   bigint      not null
);
comment on table tenants is 'One row per tenant.';
