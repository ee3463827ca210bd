-- The left join keeps the row that says which position an empty page reflects. Of a day that version counts which is the last of those
-- whose first day has come.
select p.position as as_of, l.*
from projection_positions p
left join lateral (
    select c.campaign_id, c.over_from, c.orders, c.points_given, c.points_taken_back, c.position,
           v.version, v.name, v.from_on, v.until_on, v.rules, v.published_on
    from loyalty_campaigns c
    join lateral (
        select *
        from loyalty_campaign_versions v
        where v.campaign_id = c.campaign_id and ($3::date is null or v.from_on <= $3)
        order by v.version desc
        limit 1
    ) v on $3::date is null or v.until_on is null or v.until_on >= $3
    where c.position < $1 and ($3::date is null or c.over_from is null or c.over_from > $3)
    order by c.position desc
    limit $2
) l on true
where p.projector = 'loyalty_campaigns'
order by l.position desc
