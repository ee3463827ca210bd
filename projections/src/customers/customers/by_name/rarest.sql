-- Which of these words the fewest begin with; none is counted further than $3. Of two such, the longer one.
select asked.place
from unnest($1::text[], $2::text[]) with ordinality as asked (first, beyond, place)
cross join lateral (
    select count(*) as customers
    from (select from customer_words w where w.word >= asked.first and w.word < asked.beyond limit $3) first_ones
) counted
order by counted.customers, length(asked.first) desc, asked.place
limit 1
