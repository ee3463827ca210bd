-- What operators tell projectors: to rest, and to leave an event out that they cannot digest. For all nodes, over restarts.

create table projection_pauses (
    projector text        not null primary key,
    paused_by text        not null,
    paused_at timestamptz not null default clock_timestamp()
);
comment on table projection_pauses is 'The projectors that rest until an operator says otherwise.';

-- Written while the projector is held, after the event access.projection.skipped, which says who and why. A row is never changed or
-- removed: a rebuild leaves out what the live rows left out.
create table projection_skips (
    projector  text        not null,
    position   bigint      not null check (position > 0),
    event_id   text        not null,
    skipped_at timestamptz not null default clock_timestamp(),
    primary key (projector, position)
);
comment on table projection_skips is 'The events that a projector leaves out, live and in each rebuild.';

grant select on projection_pauses, projection_skips to clientela_request, clientela_engine, clientela_rebuild;
grant insert, delete on projection_pauses to clientela_engine;
grant insert on projection_skips to clientela_engine;
