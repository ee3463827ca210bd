-- Each projector on all nodes: its rows, who runs it, what it stumbled over, what it was told, and what is made beside it.
select g.projector, g.generation, g.version, coalesce(newest.position, 0) as position,
       f.position as failed_position, f.event_id, f.error,
       l.owner, l.epoch, extract(epoch from l.expires_at - clock_timestamp())::float8 as expires_in_seconds,
       p.paused_by, p.paused_at, made.generation as made_generation, made.position as made_position,
       array(select s.position from projection_skips_in_force s where s.projector = g.projector order by 1) as skipped,
       -- The lock that a rebuild or check holds while it is under way.
       exists (select from pg_locks k
               where k.locktype = 'advisory' and k.objsubid = 2 and k.granted
                 and k.database = (select oid from pg_database where datname = current_database())
                 and k.classid::int8 = (hashtext('clientela.rebuild')::int8 & 4294967295)
                 and k.objid::int8 = (hashtext(g.projector)::int8 & 4294967295)) as is_being_made
from projection_generations g
left join lateral (
    select c.position from projection_checkpoints c
    where c.projector = g.projector and c.generation = g.generation
    order by c.epoch desc, c.position desc limit 1
) newest on true
left join projection_failures f
       on f.projector = g.projector and f.generation = g.generation and f.position >= coalesce(newest.position, 0)
left join leases l on l.consumer = g.projector and l.expires_at > clock_timestamp()
left join projection_pauses p on p.projector = g.projector
left join lateral (
    select n.generation,
           coalesce((select max(c.position) from projection_checkpoints c
                     where c.projector = n.projector and c.generation = n.generation), 0) as position
    from projection_generations n
    where n.projector = g.projector and not n.live and n.retired_at is null
    order by n.generation desc limit 1
) made on true
where g.live and g.projector = any($1)
