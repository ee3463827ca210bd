-- The left join keeps the row that says which position an empty page reflects. What is owed after a movement is what is owed before the
-- place asked for, less what the movements between moved.
select p.position as as_of, l.*
from projection_positions p
left join lateral (
    select m.*, (s.owed - coalesce(sum(m.outstanding_minor - m.unapplied_minor) over newer, 0))::bigint as balance_minor
    from (
        select * from credit_movements where line_id = $1 and position < $2 order by position desc limit $3
    ) m
    cross join (
        select coalesce(sum(outstanding_minor - unapplied_minor), 0) as owed
        from credit_movements
        where line_id = $1 and position < $2
    ) s
    window newer as (order by m.position desc rows between unbounded preceding and 1 preceding)
) l on true
where p.projector = 'credit_movements'
order by l.position desc
