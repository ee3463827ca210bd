select tenant, account, next_lapse_at as since
from loyalty_balances
where next_lapse_at <= $1
  and (next_lapse_at, account) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
order by next_lapse_at, account
limit $4
