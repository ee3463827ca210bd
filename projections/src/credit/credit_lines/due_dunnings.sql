-- Who was deleted or erased is not reminded. Asked row by row, so that the index gives the order.
select l.line_id, l.customer_id, l.next_dunning_on as since
from credit_lines l
where l.tenant = $1 and l.next_dunning_on <= $2
  and (l.next_dunning_on, l.line_id) > (coalesce($3::date, '-infinity'), coalesce($4::uuid, '00000000-0000-0000-0000-000000000000'))
  and coalesce((select c.status from customers c where c.id = l.customer_id), 'active') not in ('deleted', 'erased')
order by l.next_dunning_on, l.line_id
limit $5
