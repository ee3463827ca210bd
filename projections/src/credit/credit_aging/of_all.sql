select currency, count(*) as orders,
       coalesce(sum(outstanding_minor) filter (where $1::date - due_on <= 0), 0)::bigint as current_minor,
       coalesce(sum(outstanding_minor) filter (where $1::date - due_on between 1 and 30), 0)::bigint as days_1_to_30_minor,
       coalesce(sum(outstanding_minor) filter (where $1::date - due_on between 31 and 60), 0)::bigint as days_31_to_60_minor,
       coalesce(sum(outstanding_minor) filter (where $1::date - due_on between 61 and 90), 0)::bigint as days_61_to_90_minor,
       coalesce(sum(outstanding_minor) filter (where $1::date - due_on > 90), 0)::bigint as over_90_days_minor
from credit_aging
where outstanding_minor > 0
group by currency
order by currency
