-- One look at everything a batch must know, under the log lock and in a snapshot taken after it.
-- $1 head known to this node (null: none)   $2, $3 streams of unknown version   $4 command ids   $5 once ids
-- $6, $7, $8 claims   $9, $10 subjects of personal data
-- Each look-up is a lateral with a limit: the plan that is made on an empty table, and kept, probes the index once for each key
-- and cannot turn round and scan the index for all of them.
-- The first row also says which master key (n) and which claim key (code) are in use.
select 0::int2 as kind, coalesce((select max(key_version) from key_checks where purpose = 'master'), 0)::int4 as n,
       null::uuid as id, coalesce((select max(key_version) from key_checks where purpose = 'claims'), 0)::int2 as code,
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
from unnest($4::uuid[]) as k(id)
cross join lateral (select command_id, position, metadata from events where command_id = k.id limit 1) e
union all
select 4::int2, 0, o.command_id, null, null, o.fingerprint, o.outcome, null
from unnest($4::uuid[]) as k(id)
cross join lateral (select command_id, fingerprint, outcome from command_outcomes where command_id = k.id limit 1) o
union all
select 5::int2, 0, e.once_id, null, e.position, null, e.metadata, null
from unnest($5::uuid[]) as k(id)
cross join lateral (select once_id, position, metadata from events where once_id = k.id limit 1) e
union all
select 6::int2, k.n::int4, c.owner, null, null, null, null, null
from unnest($6::int4[], $7::text[], $8::bytea[]) with ordinality as k(tenant, kind, hash, n)
cross join lateral (select owner from claims where tenant = k.tenant and kind = k.kind and hash = k.hash limit 1) c
union all
select 7::int2, k.n::int4, null, s.master_version, null, s.wrapped_key, null, null
from unnest($9::int4[], $10::uuid[]) with ordinality as k(tenant, subject, n)
cross join lateral (select master_version, wrapped_key from subject_keys
                    where tenant = k.tenant and subject_id = k.subject limit 1) s
