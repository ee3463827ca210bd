-- Where the live generation of a projector stands, the event it has failed at, and whether that one is skipped already. A failure at an
-- event that the log has not got any more is none: it was restored to an older point.
select coalesce(c.position, 0) as reached, f.position as failed_at, f.event_id,
       exists (select from projection_skips_in_force s where s.projector = g.projector and s.position = $2) as is_skipped
from projection_generations g
left join projection_failures f on f.projector = g.projector and f.generation = g.generation
      and (f.event_id is null or f.event_id = (
          select e.stream || '/' || e.version from events_readable e where e.position = f.position))
left join lateral (
    select c.position from projection_checkpoints c
    where c.projector = g.projector and c.generation = g.generation
    order by c.epoch desc, c.position desc limit 1
) c on true
where g.projector = $1 and g.live
