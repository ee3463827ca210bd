-- One look at everything a batch must know, under the log lock and in a snapshot taken after it.
-- $1 head known to this node (null: none)   $2, $3 streams of unknown version   $4 command ids   $5 once ids
-- $6, $7, $8 claims   $9, $10 subjects of personal data
select 0::int2 as kind, 0::int4 as n, null::uuid as id, null::int2 as code,
       coalesce((select position from events order by position desc limit 1), 0)::int8 as number,
       null::bytea as bytes, null::text as body, clock_timestamp() as at
union all
select 1::int2, 0, stream, category, version::int8, null, null, null
from events
where position > $1 and (select e.position from events e order by e.position desc limit 1) - $1 <= 20000
union all
select 2::int2, k.n::int4, null, null,
       coalesce((select e.version from events e where e.stream = k.stream and e.category = k.category
                 order by e.stream desc, e.category desc, e.version desc limit 1), 0)::int8, null, null, null
from unnest($2::uuid[], $3::int2[]) with ordinality as k(stream, category, n)
union all
select 3::int2, 0, e.command_id, null, e.position, null, e.metadata, null
from unnest($4::uuid[]) as k(id) join events e on e.command_id = k.id
union all
select 4::int2, 0, o.command_id, null, null, o.fingerprint, o.outcome, null
from unnest($4::uuid[]) as k(id) join command_outcomes o on o.command_id = k.id
union all
select 5::int2, 0, e.once_id, null, e.position, null, e.metadata, null
from unnest($5::uuid[]) as k(id) join events e on e.once_id = k.id
union all
select 6::int2, k.n::int4, c.owner, null, null, null, null, null
from unnest($6::int4[], $7::text[], $8::bytea[]) with ordinality as k(tenant, kind, hash, n)
join claims c on c.tenant = k.tenant and c.kind = k.kind and c.hash = k.hash
union all
select 7::int2, k.n::int4, null, s.master_version, null, s.wrapped_key, null, null
from unnest($9::int4[], $10::uuid[]) with ordinality as k(tenant, subject, n)
join subject_keys s on s.tenant = k.tenant and s.subject_id = k.subject
