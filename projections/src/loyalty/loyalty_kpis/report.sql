-- One statement, so that all is of one snapshot: as_of is what figures and balances have both seen. Of what is owed, the days before
-- the range are one without a date, and those behind it are one, too. Only accounts with points that are due are looked at.
select (
    select min(p.position) from projection_positions p where p.projector in ('loyalty_kpis', 'loyalty_balances', 'loyalty_programmes')
) as as_of, (
    select coalesce(jsonb_agg(to_jsonb(k) order by k.day), '[]') from loyalty_kpis k where k.day between $1 and $2
) as days, (
    select coalesce(jsonb_agg(to_jsonb(o)), '[]')
    from (
        select l.currency, case when l.day >= $1 then least(l.day, $2 + 1) end as day, sum(l.points)::bigint as points
        from loyalty_liabilities l
        group by 1, 2
    ) o
) as owed, (
    select coalesce(jsonb_object_agg(d.currency, d.points), '{}')
    from (
        select b.currency, sum((lot ->> 'left')::bigint)::bigint as points
        from loyalty_balances b
        cross join lateral jsonb_array_elements(b.lots) lot
        where b.next_expiry_on <= $3 and (lot ->> 'expires_on')::date <= $3
        group by b.currency
    ) d
) as due
