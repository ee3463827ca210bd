with asked as (
    update parked_events set next_attempt_at = clock_timestamp()
    where consumer = $1 and tenant = $2
    returning category, stream)
select count(distinct (category, stream)) from asked
