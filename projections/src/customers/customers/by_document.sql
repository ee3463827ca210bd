from customers c
where c.status in ('active', 'blocked') and c.created_position > $2
  and c.id = any(array(select d.customer_id from customer_documents d where d.number = any($1)))
order by c.created_position
limit $3
