select tenant, account, review_on as since
from loyalty_balances
where review_on <= $1
  and (review_on, account) > (coalesce($2::date, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
order by review_on, account
limit $4
