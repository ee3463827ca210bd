insert into loyalty_balances (
    account, tenant, currency, available, pending, held, lifetime_earned, redeemed, expired, reversed,
    earned_last_12_months, earned_reference_on, tier, next_tier, points_to_next_tier, enrolled_on, lots, updated_at,
    position, version, holds, next_lapse_at, next_expiry_on, expired_until, review_on, projected_tier)
select * from unnest(
    $1::uuid[], $2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::date[], $13::text[], $14::text[], $15::bigint[], $16::date[],
    $17::jsonb[], $18::timestamptz[], $19::bigint[], $20::int[], $21::jsonb[], $22::timestamptz[], $23::date[],
    $24::date[], $25::date[], $26::text[])
on conflict (account) do update set
    currency = excluded.currency, available = excluded.available, pending = excluded.pending, held = excluded.held,
    lifetime_earned = excluded.lifetime_earned, redeemed = excluded.redeemed, expired = excluded.expired,
    reversed = excluded.reversed, earned_last_12_months = excluded.earned_last_12_months,
    earned_reference_on = excluded.earned_reference_on, tier = excluded.tier, next_tier = excluded.next_tier,
    points_to_next_tier = excluded.points_to_next_tier, enrolled_on = excluded.enrolled_on, lots = excluded.lots,
    updated_at = excluded.updated_at, position = excluded.position, version = excluded.version, holds = excluded.holds,
    next_lapse_at = excluded.next_lapse_at, next_expiry_on = excluded.next_expiry_on,
    expired_until = excluded.expired_until, review_on = excluded.review_on, projected_tier = excluded.projected_tier
