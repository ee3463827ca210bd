select line_id, customer_id, next_overdue_on as since
from credit_lines
where tenant = $1 and next_overdue_on <= $2
  and (next_overdue_on, line_id) > (coalesce($3::date, '-infinity'), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
order by next_overdue_on, line_id
limit $5
