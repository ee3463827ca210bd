insert into loyalty_kpis (
    tenant, day, points_earned, points_redeemed, points_reversed, points_expired, earned_count, redeemed_count,
    reversed_count, expired_count, enrolled, discounts, position)
select * from unnest(
    $1::int[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::jsonb[], $13::bigint[])
on conflict (tenant, day) do update set
    points_earned = excluded.points_earned, points_redeemed = excluded.points_redeemed,
    points_reversed = excluded.points_reversed, points_expired = excluded.points_expired,
    earned_count = excluded.earned_count, redeemed_count = excluded.redeemed_count,
    reversed_count = excluded.reversed_count, expired_count = excluded.expired_count, enrolled = excluded.enrolled,
    discounts = excluded.discounts, position = excluded.position
