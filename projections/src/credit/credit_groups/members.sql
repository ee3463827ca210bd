select * from credit_group_members where group_id = $1 and left_on is null order by joined_on, line_id
