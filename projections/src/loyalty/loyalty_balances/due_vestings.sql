select account, next_vest_on as since
from loyalty_balances
where tenant = $1 and next_vest_on <= $2
  and (next_vest_on, account) > (coalesce($3::date, '-infinity'), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
order by next_vest_on, account
limit $5
