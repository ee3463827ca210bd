-- One statement, so that days and balances are of one snapshot: as_of is what both have seen.
select (
    select min(p.position) from projection_positions p where p.projector in ('loyalty_kpis', 'loyalty_balances')
) as as_of, (
    select coalesce(jsonb_agg(to_jsonb(k) order by k.day), '[]') from loyalty_kpis k where k.day between $1 and $2
) as days, (
    select coalesce(jsonb_agg(to_jsonb(o) order by o.currency), '[]')
    from (
        select b.currency, sum(b.available + b.held)::bigint as available, sum(due.points)::bigint as due
        from loyalty_balances b
        cross join lateral (
            -- Lots stand in the order in which they expire: mostly the first one says that none is due.
            select case when (b.lots -> 0 ->> 'expires_on')::date <= $3 then (
                select coalesce(sum((lot ->> 'left')::bigint), 0) from jsonb_array_elements(b.lots) lot
                where (lot ->> 'expires_on')::date <= $3
            ) else 0 end as points
        ) due
        group by b.currency
    ) o
) as outstanding
