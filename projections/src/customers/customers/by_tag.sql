-- Only who may be found has rows in customer_tags, so that a page is as long as its rows are many.
from customers c
where c.id = any(array(
    select t.customer_id from customer_tags t where t.tag = $1 and t.created_position > $2 order by t.created_position limit $3
))
order by c.created_position
