-- One statement, so that all is of one snapshot: as_of is what figures and balances have both seen. Of what is owed, the days before
-- the range are one without a date, and those behind it are one, too. Only accounts for which something is due are looked at: what vests,
-- lapses or expires with time and stands in no event yet is counted here as the balance of each account counts it.
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
        select gone.currency, sum(gone.points)::bigint as points
        from (
            select b.currency, (lot ->> 'left')::bigint as points
            from loyalty_balances b
            cross join lateral jsonb_array_elements(b.lots) lot
            where b.next_expiry_on <= $3 and (lot ->> 'expires_on')::date <= $3
            union all
            -- Points that come back from a hold too late are gone at once.
            select b.currency, (lot ->> 'points')::bigint
            from loyalty_balances b
            cross join lateral jsonb_array_elements(b.holds) hold
            cross join lateral jsonb_array_elements(hold -> 'lots') lot
            where b.next_lapse_at <= $4 and (hold ->> 'lapses_at')::timestamptz <= $4
              and (lot ->> 'expires_on')::date <= greatest($3, b.expired_until)
        ) gone
        group by gone.currency
    ) d
) as due, (
    select coalesce(jsonb_object_agg(v.currency, v.points), '{}')
    from (
        select b.currency, sum((part ->> 'points')::bigint)::bigint as points
        from loyalty_balances b
        cross join lateral jsonb_array_elements(b.pending_points) part
        where b.next_vest_on <= $3 and (part ->> 'vests_on')::date <= $3 and (part ->> 'expires_on')::date > $3
        group by b.currency
    ) v
) as vested
