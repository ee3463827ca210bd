insert into parked_events (consumer, position, tenant, category, stream, event_id, error, attempts, next_attempt_at)
select $1, e.position, e.tenant, e.category, e.stream, e.event_id, e.error, case when e.error is null then 0 else 1 end,
       clock_timestamp() + make_interval(secs => $8)
from unnest($2::bigint[], $3::int[], $4::text[], $5::uuid[], $6::text[], $7::text[])
    as e (position, tenant, category, stream, event_id, error)
