insert into audit_trail (
    position, tenant, event_type, category, stream, version, customer_id, actor, request_id, correlation_id,
    occurred_at, recorded_at)
select * from unnest(
    $1::bigint[], $2::int[], $3::text[], $4::text[], $5::text[], $6::int[], $7::uuid[], $8::text[], $9::text[],
    $10::text[], $11::timestamptz[], $12::timestamptz[])
on conflict (tenant, position) do update set
    event_type = excluded.event_type, category = excluded.category, stream = excluded.stream,
    version = excluded.version, customer_id = excluded.customer_id, actor = excluded.actor,
    request_id = excluded.request_id, correlation_id = excluded.correlation_id, occurred_at = excluded.occurred_at,
    recorded_at = excluded.recorded_at
