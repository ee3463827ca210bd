-- Accounts have the ids of their customers, which are given in the order of their registrations.
from loyalty_balances b
join customers c on c.id = b.account
where b.tier = $1 and b.account > $2 and b.closed_on is null and c.status in ('active', 'blocked')
order by b.account
limit $3
