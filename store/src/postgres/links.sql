-- Links of these subjects ($1 tenants, $2 subjects) and of all that are linked to them, however far.
with recursive persons(tenant, subject) as (
    select t, s from unnest($1::int4[], $2::uuid[]) as r(t, s)
    union
    select l.tenant, l.other_id from persons p join subject_links l on l.tenant = p.tenant and l.subject_id = p.subject
)
select l.tenant, l.subject_id, l.other_id
from persons p join subject_links l on l.tenant = p.tenant and l.subject_id = p.subject
