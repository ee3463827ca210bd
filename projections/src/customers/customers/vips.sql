from customers c
where c.is_vip and c.status in ('active', 'blocked') and c.created_position > $1
order by c.created_position
limit $2
