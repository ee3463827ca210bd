-- Events that a reactor could not act on, and those of the same stream that wait behind them. Positions only: what happened, and to
-- whom, stands in the log, where erasing covers it.
create table parked_events (
    consumer        text        not null,
    position        bigint      not null,
    tenant          int         not null,
    category        text        not null,
    stream          uuid        not null,
    event_id        text        not null,
    error           text,
    attempts        int         not null check (attempts >= 0),
    parked_at       timestamptz not null default clock_timestamp(),
    next_attempt_at timestamptz not null,
    primary key (consumer, position)
);
comment on table parked_events is 'Events that a reactor could not act on (error says why) and later ones of the same stream that wait (error is empty).';
create index idx_parked_events_stream on parked_events (consumer, category, stream, position);
create index idx_parked_events_tenant on parked_events (tenant, consumer, position);

alter table parked_events enable row level security, force row level security;
create policy engine on parked_events to clientela_engine using (true) with check (true);
create policy request on parked_events for select to clientela_request
    using (tenant = nullif(current_setting('app.tenant', true), '')::int);
grant select, insert, update, delete on parked_events to clientela_engine;
grant select on parked_events to clientela_request;
