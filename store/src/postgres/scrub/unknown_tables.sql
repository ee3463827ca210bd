-- Tables that nobody has said anything of. Parts of a table count as the table, tables of generations belong to read models.
select n.nspname || '.' || c.relname
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'f') and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\_toast%' and n.nspname not like 'pg\_temp%'
  and not (n.nspname = 'public' and c.relname = any($1))
  and not exists (select from projection_generations g where g.live and n.nspname = g.projector || '_g' || g.generation)
order by 1
