select k.*, coalesce((
    select jsonb_object_agg(l.currency, l.points) from loyalty_liabilities l where l.tenant = k.tenant and l.day = k.day
), '{}') as owed
from loyalty_kpis k
join unnest($1::int[], $2::date[]) as wanted (tenant, day) using (tenant, day)
