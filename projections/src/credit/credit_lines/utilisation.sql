select currency, count(*) as lines, count(*) filter (where status = 'suspended') as suspended,
       sum(limit_minor)::bigint as limit_minor, sum(used_minor)::bigint as used_minor,
       sum(held_minor)::bigint as held_minor, sum(unapplied_minor)::bigint as unapplied_minor
from credit_lines
where status in ('active', 'suspended')
group by currency
order by currency
