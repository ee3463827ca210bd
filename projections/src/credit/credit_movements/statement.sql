-- The left join keeps the row that says what is owed although nothing moved.
select p.position as as_of, s.opening_minor, s.closing_minor, l.*
from projection_positions p
cross join (
    select coalesce(sum(outstanding_minor - unapplied_minor) filter (where moved_on < $2), 0)::bigint as opening_minor,
           coalesce(sum(outstanding_minor - unapplied_minor), 0)::bigint as closing_minor
    from credit_movements
    where line_id = $1 and moved_on <= $3
) s
left join lateral (
    select *
    from (
        select m.*, (
            s.opening_minor + sum(m.outstanding_minor - m.unapplied_minor) over (order by m.moved_on, m.position)
        )::bigint as balance_minor
        from credit_movements m
        where m.line_id = $1 and m.moved_on between $2 and $3
    ) moved
    where (moved.moved_on, moved.position) > (coalesce($4::date, '-infinity'), coalesce($5::bigint, 0))
    order by moved.moved_on, moved.position
    limit $6
) l on true
where p.projector = 'credit_movements'
order by l.moved_on, l.position
