select p.position as as_of, l.*
from projection_positions p
left join lateral (
    select * from loyalty_ledger where account = $1 and position > $2 order by position limit $3
) l on true
where p.projector = 'loyalty_ledger'
order by l.position
