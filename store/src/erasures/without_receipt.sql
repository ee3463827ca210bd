-- Persons who were erased by an event and have no receipt; $1 seconds back at most, or however far.
-- The log alone decides: a key that was written down as lost is no erasure.
select k.tenant, k.subject_id
from subject_keys k
where k.wrapped_key is null
  and ($1::float8 is null or k.erased_at between now() - make_interval(secs => $1) and now() - interval '1 minute')
  and not exists (select from erasures r where r.tenant = k.tenant and r.subject_id = k.subject_id)
  and exists (
      select from events e join event_names n on n.code = e.type
      where e.stream = k.subject_id and e.tenant = k.tenant and e.subject_id = k.subject_id and n.name like '%.erased')
order by k.erased_at
limit $2
