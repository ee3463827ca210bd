-- Figures of the loyalty programme by day, as the events say.
create table loyalty_kpis (
    tenant          int    not null,
    day             date   not null,
    points_earned   bigint not null,
    points_redeemed bigint not null,
    points_reversed bigint not null,
    points_expired  bigint not null,
    earned_count    bigint not null,
    redeemed_count  bigint not null,
    reversed_count  bigint not null,
    expired_count   bigint not null,
    enrolled        bigint not null,
    discounts       jsonb  not null,
    position        bigint not null,
    primary key (tenant, day)
) with (fillfactor = 80);
comment on table loyalty_kpis is 'One row per tenant and day on which points moved or members enrolled. Points have no currency; money stands in discounts.';
comment on column loyalty_kpis.tenant is 'Whose programme.';
comment on column loyalty_kpis.day is 'The business date of the events, which may be long before they were recorded. Points expire on the first day on which they are gone.';
comment on column loyalty_kpis.points_earned is 'Points that purchases earned.';
comment on column loyalty_kpis.points_redeemed is 'Points that became discounts.';
comment on column loyalty_kpis.points_reversed is 'Points that were taken back with their purchases.';
comment on column loyalty_kpis.points_expired is 'Points whose expiry is recorded.';
comment on column loyalty_kpis.earned_count is 'How often points were earned.';
comment on column loyalty_kpis.redeemed_count is 'How often points were redeemed.';
comment on column loyalty_kpis.reversed_count is 'How often points were taken back.';
comment on column loyalty_kpis.expired_count is 'How many lots expired.';
comment on column loyalty_kpis.enrolled is 'Customers who became members.';
comment on column loyalty_kpis.discounts is 'What the redeemed points were worth, in minor units by currency: {"EUR": 1200}.';
comment on column loyalty_kpis.position is 'Position of the last event of this day.';
