where l.created_position > $1
order by l.created_position
limit $2
