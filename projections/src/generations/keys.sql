select t.relname::text as table, c.conname::text as name, pg_get_constraintdef(c.oid) as definition
from pg_constraint c
join pg_class t on t.oid = c.conrelid
join pg_namespace n on n.oid = t.relnamespace
where n.nspname = $1 and c.contype in ('p', 'u')
order by t.relname, c.conname
