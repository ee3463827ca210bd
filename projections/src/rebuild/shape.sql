-- The columns that two tables have in common, those of the primary key first, in its order.
select a.attname::text as name,
       a.attnum = any(i.indkey::int2[]) as in_key,
       a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype) as is_number
from pg_attribute a
join pg_index i on i.indrelid = a.attrelid and i.indisprimary
where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
  and exists (select from pg_attribute b where b.attrelid = $2::regclass and b.attname = a.attname
              and b.atttypid = a.atttypid and not b.attisdropped)
order by array_position(i.indkey::int2[], a.attnum) nulls last, a.attnum
