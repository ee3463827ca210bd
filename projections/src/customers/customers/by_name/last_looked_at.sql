-- The place that the page looked at last; none when there were fewer.
select word, customer_id from customer_words
where (word, customer_id) > ($1, $2) and word < $3
order by word, customer_id offset $4 limit 1
