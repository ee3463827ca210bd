-- What operators have told each projector, and which rows it works on.
select name as projector,
       exists (select from projection_pauses p where p.projector = name) as paused,
       (select count(*) from projection_skips_in_force s where s.projector = name) as skips,
       g.generation,
       g.version
from unnest($1::text[]) as named (name)
left join projection_generations g on g.projector = name and g.live
