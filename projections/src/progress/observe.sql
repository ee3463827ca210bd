-- Each projector's position, who runs it, and what it stumbled over if it has not got past it.
select p.projector, p.position, f.position as failed_position, f.event_id, f.error, l.owner
from projection_positions p
left join projection_failures f
       on f.projector = p.projector and f.generation = p.generation and f.position >= p.position
left join leases l on l.consumer = p.projector and l.expires_at > clock_timestamp()
where p.projector = any($1)
