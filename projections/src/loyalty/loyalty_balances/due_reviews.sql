select account, review_on as since
from loyalty_balances
where tenant = $1 and review_on <= $2
  and (review_on, account) > (coalesce($3::date, '-infinity'), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
order by review_on, account
limit $5
