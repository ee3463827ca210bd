-- The customers of whose words one begins with $4, and another one with each of the other beginnings, $6 to $7: in the order of
-- the first word that begins so, after the word $1 of the customer $2. Ends of ranges stand outside them.
-- At most $5 places are looked at; offset 0 keeps the few words of a customer from being looked for among those of all. The left
-- joins keep the row that says which position an empty page reflects.
     , p.position as as_of, s.word
from projection_positions p
left join lateral (
    select w.word, w.customer_id
    from (
        select word, customer_id from customer_words
        where (word, customer_id) > ($1, $2) and word < $3
        order by word, customer_id limit $5
    ) w
    where not exists (
        select from (select word from customer_words where customer_id = w.customer_id offset 0) own
        where own.word >= $4 and own.word < w.word
    ) and not exists (
        select from unnest($6::text[], $7::text[]) as other (first, beyond)
        where not exists (
            select from (select word from customer_words where customer_id = w.customer_id offset 0) own
            where own.word >= other.first and own.word < other.beyond
        )
    )
    order by w.word, w.customer_id limit $8
) s on true
left join customers c on c.id = s.customer_id
where p.projector = 'customers'
order by s.word, s.customer_id
