select g.*, s.members, s.exposure_minor
from credit_groups g
cross join lateral (
    select count(*) as members, coalesce(sum(m.exposure_minor), 0)::bigint as exposure_minor
    from credit_group_members m
    where m.group_id = g.group_id and m.left_on is null
) s
where g.created_position > $1
order by g.created_position
limit $2
