insert into projection_failures (projector, generation, position, event_id, error)
select projector, generation, $2, $3, $4 from projection_generations where projector = $1 and live
on conflict (projector, generation) do update
set position = excluded.position, event_id = excluded.event_id, error = excluded.error, failed_at = excluded.failed_at
