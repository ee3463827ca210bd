, (
    select min(p.position) from projection_positions p where p.projector in ('loyalty_balances', 'loyalty_programmes')
) as as_of, (
    select p.rules from loyalty_programmes p where p.from_on <= $2 order by p.version desc limit 1
) as rules
from loyalty_balances b
where b.account = $1
