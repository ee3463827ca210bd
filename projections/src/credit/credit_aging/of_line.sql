select * from credit_aging where line_id = $1 and outstanding_minor > 0 order by due_on, used_on, position
