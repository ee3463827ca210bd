-- The left join keeps the row that says which position an empty page reflects.
select p.position as as_of, t.*
from projection_positions p
left join lateral (
    select * from customer_timeline
    where customer_id = $1 and position < $2 and ($4::text[] is null or event_type = any($4))
    order by position desc limit $3
) t on true
where p.projector = 'customer_timeline'
order by t.position desc
