insert into loyalty_ledger (
    position, tenant, account, kind, points, balance, lot, order_id, refund_id, amount_minor, currency, moved_on,
    occurred_at, recorded_at, held, hold_id)
select * from unnest(
    $1::bigint[], $2::int[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[],
    $10::bigint[], $11::text[], $12::date[], $13::timestamptz[], $14::timestamptz[],
    $15::bigint[], $16::uuid[])
on conflict (position) do update set
    tenant = excluded.tenant, account = excluded.account, kind = excluded.kind, points = excluded.points,
    balance = excluded.balance, lot = excluded.lot, order_id = excluded.order_id, refund_id = excluded.refund_id,
    amount_minor = excluded.amount_minor, currency = excluded.currency, moved_on = excluded.moved_on,
    occurred_at = excluded.occurred_at, recorded_at = excluded.recorded_at, held = excluded.held,
    hold_id = excluded.hold_id
