-- The left join keeps the row that says which position an empty page reflects.
select p.position as as_of, l.*
from projection_positions p
left join lateral (
    select * from loyalty_flags where ($1 or cleared_on is null) and ($4::uuid is null or account = $4) and position < $2
    order by position desc limit $3
) l on true
where p.projector = 'loyalty_flags'
order by l.position desc
