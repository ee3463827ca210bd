-- Where each consumer of the log stands, and who runs it. Shared by projectors and reactors.

-- One row per generation of a projection's rows; the live one is what queries read.
create table projection_generations (
    projector  text        not null,
    generation int         not null check (generation > 0),
    version    int         not null,
    live       boolean     not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (projector, generation)
);
create unique index projection_generations_live on projection_generations (projector) where live;
comment on table projection_generations is 'Generations of the rows of each projection, and the version of the projector that makes them.';

-- Inserted, never updated: an old snapshot held open elsewhere does not slow the newest row's reading.
create table projection_checkpoints (
    projector   text        not null,
    generation  int         not null,
    epoch       bigint      not null,
    position    bigint      not null check (position >= 0),
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (projector, generation, epoch, position)
);
comment on table projection_checkpoints is 'How far each projection has come; the newest row counts (highest epoch, then position).';

-- An event that a consumer cannot digest. It stands there until the consumer has passed the position.
create table projection_failures (
    projector  text        not null,
    generation int         not null,
    position   bigint      not null,
    event_id   text,
    error      text        not null,
    failed_at  timestamptz not null default clock_timestamp(),
    primary key (projector, generation)
);
comment on table projection_failures is 'Why a projection stands still, for every node to see.';

-- Who runs a consumer, by the clock of the database.
create table leases (
    consumer   text        not null primary key,
    owner      uuid        not null,
    epoch      bigint      not null check (epoch > 0),
    expires_at timestamptz not null
) with (fillfactor = 50);
comment on table leases is 'The node that runs each consumer. The epoch grows with each change of owner and stands in every checkpoint.';

create view projection_positions with (security_invoker = true) as
select g.projector, g.generation, g.version, newest.epoch, newest.position, newest.recorded_at
from projection_generations g
cross join lateral (
    select c.epoch, c.position, c.recorded_at from projection_checkpoints c
    where c.projector = g.projector and c.generation = g.generation
    order by c.epoch desc, c.position desc limit 1
) newest
where g.live;
comment on view projection_positions is 'Position that the rows of each live projection reflect.';

grant select on projection_generations, projection_checkpoints, projection_failures, projection_positions
    to clientela_request, clientela_engine, clientela_rebuild;
grant insert, update, delete on projection_generations, projection_checkpoints, projection_failures
    to clientela_engine, clientela_rebuild;
grant select, insert, update, delete on leases to clientela_engine;
