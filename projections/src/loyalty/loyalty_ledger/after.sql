-- The left join keeps the row that says which position an empty page reflects.
select p.position as as_of, l.*
from projection_positions p
left join lateral (
    select * from loyalty_ledger where position > $1 order by position limit $2
) l on true
where p.projector = 'loyalty_ledger'
order by l.position
