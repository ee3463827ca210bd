-- A checkpoint names the event it stands at, not only its number: after the log alone was restored to an older point and has grown
-- again, another event has that number.
alter table projection_checkpoints add column leaf_hash bytea;
comment on column projection_checkpoints.leaf_hash is
    'Leaf of the event at this position; null where nothing is known of it. It tells whether the consumer followed this log.';
