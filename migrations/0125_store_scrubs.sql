-- When what was left of erased persons in files was last made away with, and how far.
create table scrubs (
    id       bigint      not null generated always as identity primary key,
    up_to    bigint      not null check (up_to >= 0),
    began_at timestamptz not null,
    ended_at timestamptz not null default clock_timestamp(),
    remains  text[]      not null,
    check (began_at <= ended_at)
);
comment on table scrubs is 'Scrubs that came to their end. Of whoever was erased up to up_to nothing is left but what remains says.';
create index scrubs_up_to on scrubs (up_to) where remains = '{}';

grant select, insert on scrubs to clientela_engine;
