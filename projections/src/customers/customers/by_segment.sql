from customers c
where c.segment = $1 and c.status in ('active', 'blocked') and c.created_position > $2
order by c.created_position
limit $3
