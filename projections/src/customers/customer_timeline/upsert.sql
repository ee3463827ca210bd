insert into customer_timeline (position, tenant, customer_id, event_type, occurred_at, recorded_at, facts)
select * from unnest(
    $1::bigint[], $2::int[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::jsonb[])
on conflict (position) do update set
    tenant = excluded.tenant, customer_id = excluded.customer_id, event_type = excluded.event_type,
    occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at, facts = excluded.facts
