select line_id, customer_id, next_lapse_at as since
from credit_lines
where tenant = $1 and next_lapse_at <= $2
  and (next_lapse_at, line_id) > (coalesce($3::timestamptz, '-infinity'), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
order by next_lapse_at, line_id
limit $5
