-- What happened to a customer and to all who were merged into it. Each has the index to itself, so a long history costs a page.
-- The left join keeps the row that says which position an empty page reflects.
select p.position as as_of, t.*
from projection_positions p
left join lateral (
    select e.*
    from (select $1::uuid as id union all select c.id from customers c where c.merged_into = $1) who
    cross join lateral (
        select * from customer_timeline
        where customer_id = who.id and position < $2 and ($4::text[] is null or event_type = any($4))
        order by position desc limit $3
    ) e
    order by e.position desc limit $3
) t on true
where p.projector = 'customer_timeline'
order by t.position desc
