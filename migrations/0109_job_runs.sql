-- What jobs did, for whom, and where they stand. A run that was killed goes on behind its cursor.
create table job_runs (
    id            uuid        not null primary key,
    number        bigint      not null generated always as identity unique,
    job           text        not null,
    tenant        int         not null,
    scheduled_for timestamptz,
    asked_by      text,
    created_at    timestamptz not null default clock_timestamp(),
    started_at    timestamptz,
    ended_at      timestamptz,
    outcome       text        check (outcome in ('done', 'incomplete')),
    epoch         bigint      not null default 0,
    attempts      int         not null default 0,
    examined      bigint      not null default 0,
    changed       bigint      not null default 0,
    refused       bigint      not null default 0,
    cursor        text,
    error         text,
    check ((scheduled_for is null) <> (asked_by is null)),
    check ((ended_at is null) = (outcome is null)),
    unique (job, tenant, scheduled_for)
) with (fillfactor = 80);
comment on table job_runs is 'Runs of jobs for a tenant: by schedule (once each time) or because somebody asked. error holds codes, never personal data.';
-- Of those that were asked for, one waits or runs at a time.
create unique index job_runs_asked on job_runs (job, tenant) where ended_at is null and asked_by is not null;
create index job_runs_open on job_runs (job, number) where ended_at is null;
create index job_runs_history on job_runs (tenant, job, number desc);

alter table job_runs enable row level security, force row level security;
create policy engine on job_runs to clientela_engine using (true) with check (true);
create policy request on job_runs for select to clientela_request
    using (tenant = nullif(current_setting('app.tenant', true), '')::int);
grant select, insert, update, delete on job_runs to clientela_engine;
grant select on job_runs to clientela_request;
