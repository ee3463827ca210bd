-- Later ones of a stream wait for the first, whatever their own time.
select first.position
from (select distinct on (category, stream) position, next_attempt_at from parked_events
      where consumer = $1 order by category, stream, position) first
where first.next_attempt_at <= clock_timestamp()
order by first.next_attempt_at, first.position
limit $2
