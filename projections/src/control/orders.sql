-- What operators have told each projector.
select name as projector,
       exists (select from projection_pauses p where p.projector = name) as paused,
       (select count(*) from projection_skips s where s.projector = name) as skips,
       (select g.version from projection_generations g where g.projector = name and g.live) as version
from unnest($1::text[]) as named (name)
