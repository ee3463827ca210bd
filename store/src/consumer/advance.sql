-- Compare and set: the new checkpoint is written only when the newest one is still what the writer worked from, no rebuild
-- has retired the generation meanwhile, and every event on the way that is to be left out was known to the writer.
-- A consumer without generations (a reactor) has nothing to retire.
insert into projection_checkpoints (projector, generation, epoch, position, leaf_hash)
select $1, $2, $3, $5, (select e.leaf_hash from events e where e.position = $5)
where (select (c.epoch, c.position) = ($3, $4)
       from projection_checkpoints c
       where c.projector = $1 and c.generation = $2
       order by c.epoch desc, c.position desc limit 1)
  and coalesce((select g.live from projection_generations g where g.projector = $1 and g.generation = $2), true)
  and not exists (select from projection_skips_in_force s
                  where s.projector = $1 and s.position > $4 and s.position <= $5 and s.position <> all($6))
