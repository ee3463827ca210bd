select tenant, account, next_expiry_on as since
from loyalty_balances
where next_expiry_on <= $1
  and (next_expiry_on, account) > (coalesce($2::date, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
order by next_expiry_on, account
limit $4
