-- Read models: tenants, and the keys by which programs act for them.

create table tenants (
    tenant     int         not null primary key,
    name       text        not null,
    time_zone  text        not null,
    created_at timestamptz not null,
    position   bigint      not null
);
comment on table tenants is 'One row per tenant.';

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
create index idx_api_keys_tenant on api_keys (tenant);

do $$
declare t text;
begin
    foreach t in array array['tenants', 'api_keys'] loop
        execute format('alter table %I enable row level security, force row level security', t);
        execute format('create policy engine on %I to clientela_engine using (true) with check (true)', t);
        execute format('create policy request on %I for select to clientela_request '
            'using (tenant = nullif(current_setting(''app.tenant'', true), '''')::int)', t);
        execute format('grant select, insert, update, delete on %I to clientela_engine', t);
        execute format('grant select on %I to clientela_request', t);
    end loop;
end $$;
