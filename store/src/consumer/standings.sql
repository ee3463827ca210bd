select wanted.consumer, coalesce(newest.position, 0) as position, l.owner,
       (select count(*) from parked_events p where p.consumer = wanted.consumer) as parked
from unnest($1::text[]) as wanted (consumer)
left join lateral (
    select c.position from projection_checkpoints c where c.projector = wanted.consumer and c.generation = 1
    order by c.epoch desc, c.position desc limit 1) newest on true
left join leases l on l.consumer = wanted.consumer and l.expires_at > clock_timestamp()
