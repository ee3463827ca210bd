select * from credit_aging where customer_id = $1 and outstanding_minor > 0 order by due_on, used_on, position
