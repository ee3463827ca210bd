, (
    select min(p.position) from projection_positions p where p.projector in ('credit_lines', 'credit_groups')
) as as_of, (
    select g.limit_minor - coalesce(
        (select sum(m.exposure_minor) from credit_group_members m where m.group_id = g.group_id and m.left_on is null), 0
    )::bigint
    from credit_groups g
    where g.group_id = l.group_id
) as group_left
from credit_lines l
