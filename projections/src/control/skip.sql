-- A skip of another history of the log may stand at this position.
insert into projection_skips (projector, position, event_id, leaf_hash)
select $1, e.position, $3, e.leaf_hash from events e where e.position = $2
on conflict (projector, position) do update
set event_id = excluded.event_id, leaf_hash = excluded.leaf_hash, skipped_at = excluded.skipped_at
