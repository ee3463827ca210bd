-- Whether each column of the view $1, if there is one, is also a column of the table $2, at the same place.
select coalesce(bool_and(t.attname is not null), true)
from pg_attribute v
left join pg_attribute t on t.attrelid = $2::regclass and t.attnum = v.attnum and t.attname = v.attname
      and t.atttypid = v.atttypid and t.atttypmod = v.atttypmod and t.attcollation = v.attcollation
where v.attrelid = to_regclass($1) and v.attnum > 0
