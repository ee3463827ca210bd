-- A skip names the event that it leaves out, not only its number: after the log alone was restored to an older point and has grown
-- again, another event has that number, and must not be left out.
alter table projection_skips add column leaf_hash bytea;
comment on column projection_skips.leaf_hash is
    'Leaf of the event that is left out; null where it was not written down.';
grant update on projection_skips to clientela_engine;

create view projection_skips_in_force with (security_invoker = true) as
select s.projector, s.position, s.event_id, s.skipped_at
from projection_skips s
where s.leaf_hash is null or s.leaf_hash = (select e.leaf_hash from events e where e.position = s.position);
comment on view projection_skips_in_force is 'The skips whose event is still in the log.';
grant select on projection_skips_in_force to clientela_engine, clientela_rebuild;
