-- The different words of names from $1 on, up to where $2 stands, at most $3 of them: from each to the next by the index, however
-- many customers have it.
with recursive known as (
    (select word, 1 as place from customer_words where word >= $1 and word < $2 order by word limit 1)
    union all
    select following.word, known.place + 1
    from known
    cross join lateral (
        select w.word from customer_words w where w.word > known.word and w.word < $2 order by w.word limit 1
    ) following
    where known.place < $3
)
select word from known
