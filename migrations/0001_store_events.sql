-- The log. Rows are never changed and never removed: trigger and grants both say so.

create table event_names (
    code smallint primary key,
    name text not null unique check (length(name) between 1 and 100)
);
comment on table event_names is 'Dictionary of categories and event types: the log keeps the code, the leaf hash covers the name.';

create table events (
    position       bigint      not null primary key,
    stream         uuid        not null,
    command_id     uuid,
    once_id        uuid,
    subject_id     uuid,
    customer_id    uuid,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    version        int         not null check (version > 0),
    tenant         int         not null,
    category       smallint    not null,
    type           smallint    not null,
    schema_version smallint    not null check (schema_version > 0),
    metadata       text        not null,
    payload        text        not null,
    personal       bytea,
    leaf_hash      bytea       not null check (length(leaf_hash) = 32)
);
comment on table events is 'All that ever happened, in one order without gaps. Appended under the log lock, never changed.';

create unique index events_stream_version on events (stream, category, version);
create unique index events_command on events (command_id) where command_id is not null;
create unique index events_once on events (once_id) where once_id is not null;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the log is immutable: % on % refused', tg_op, tg_table_name
        using errcode = 'restrict_violation';
end $$;

create trigger events_are_immutable before update or delete on events
    for each row execute function refuse_change();
create trigger events_are_not_truncated before truncate on events
    for each statement execute function refuse_change();
create trigger event_names_are_immutable before update or delete on event_names
    for each row execute function refuse_change();
create trigger event_names_are_not_truncated before truncate on event_names
    for each statement execute function refuse_change();

-- Claims: what only one owner of a tenant may have. Taken and released in the append that says so.
create table claims (
    tenant      int   not null,
    kind        text  not null,
    hash        bytea not null check (length(hash) = 32),
    key_version smallint not null,
    owner       uuid  not null,
    primary key (tenant, kind, hash)
);
create index claims_owner on claims (owner);

-- What a keyed command that made no event answered. Kept by the month; see command_outcomes_prepare.
create table command_outcomes (
    command_id  uuid        not null,
    recorded_at timestamptz not null,
    fingerprint bytea       not null check (length(fingerprint) = 16),
    tenant      int         not null,
    outcome     text        not null
) partition by range (recorded_at);
create index command_outcomes_command on command_outcomes (command_id);

-- One key per subject, wrapped by the master key. An erased subject keeps its row and loses its key.
create table subject_keys (
    tenant         int      not null,
    subject_id     uuid     not null,
    wrapped_key    bytea,
    master_version smallint not null,
    created_at     timestamptz not null default now(),
    erased_at      timestamptz,
    primary key (tenant, subject_id),
    check ((wrapped_key is null) = (erased_at is not null))
);

-- Tells a wrong master or claim key before it does harm.
create table key_checks (
    purpose     text     not null check (purpose in ('master', 'claims')),
    key_version smallint not null,
    check_value bytea    not null,
    primary key (purpose, key_version)
);

-- States of long streams. Disposable.
create table snapshots (
    stream            uuid     not null,
    category          smallint not null,
    tenant            int      not null,
    aggregate_version smallint not null,
    stream_version    int      not null,
    subject_id        uuid,
    state             bytea    not null,
    primary key (stream, category)
);

-- The window of command_outcomes: this month, the next, and those not older than 62 days.
create function command_outcomes_prepare(at timestamptz) returns void
    language plpgsql security definer set search_path = pg_catalog, public set timezone = 'UTC' as $$
declare
    month timestamptz;
    part record;
begin
    for month in select date_trunc('month', at, 'UTC') + make_interval(months => n) from generate_series(-1, 1) n loop
        if to_regclass('public.command_outcomes_' || to_char(month at time zone 'UTC', 'YYYY_MM')) is null then
            execute format('create table public.command_outcomes_%s partition of public.command_outcomes for values from (%L) to (%L)',
                to_char(month at time zone 'UTC', 'YYYY_MM'), month, month + interval '1 month');
            execute format('alter table public.command_outcomes_%s enable row level security, force row level security',
                to_char(month at time zone 'UTC', 'YYYY_MM'));
        end if;
    end loop;
    for part in
        select c.oid::regclass as name, c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.command_outcomes'::regclass
          and to_timestamp(right(c.relname, 7), 'YYYY_MM') < at - interval '93 days'
    loop
        execute format('drop table %s', part.name);
    end loop;
end $$;

-- Who may what. The request role reads its tenant's events; only the engine appends.
grant select on event_names to clientela_request, clientela_engine, clientela_rebuild;
grant insert on event_names to clientela_engine;
grant select on events to clientela_request, clientela_engine, clientela_rebuild;
grant insert on events to clientela_engine;
grant select, insert, delete on claims to clientela_engine;
grant select, insert on command_outcomes to clientela_engine;
grant select, insert, update on subject_keys to clientela_engine;
grant select on subject_keys to clientela_rebuild;
grant select, insert on key_checks to clientela_engine;
grant select, insert, update, delete on snapshots to clientela_engine;
revoke all on function command_outcomes_prepare(timestamptz) from public;
grant execute on function command_outcomes_prepare(timestamptz) to clientela_engine;

do $$
declare t text;
begin
    foreach t in array array['events', 'claims', 'command_outcomes', 'subject_keys', 'snapshots'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy engine on %I to clientela_engine using (true) with check (true)', t);
    end loop;
    foreach t in array array['events', 'subject_keys'] loop
        execute format('create policy rebuild on %I for select to clientela_rebuild using (true)', t);
    end loop;
end $$;
create policy request on events for select to clientela_request
    using (tenant = nullif(current_setting('app.tenant', true), '')::int);

create view events_readable with (security_invoker = true) as
select e.position, e.tenant, c.name as category, t.name as type, e.schema_version,
       c.name || '-' || e.stream as stream, e.version, e.occurred_at, e.recorded_at,
       e.metadata::jsonb as metadata, e.payload::jsonb as payload, e.personal is not null as has_personal,
       e.subject_id, e.customer_id, e.command_id, e.once_id, encode(e.leaf_hash, 'hex') as leaf_hash
from events e
join event_names c on c.code = e.category
join event_names t on t.code = e.type;
comment on view events_readable is 'The log for people.';
grant select on events_readable to clientela_request, clientela_engine;
