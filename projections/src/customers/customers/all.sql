from customers c where c.created_position > $1 order by c.created_position limit $2
