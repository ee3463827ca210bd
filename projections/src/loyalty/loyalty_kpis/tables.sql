-- Figures of the loyalty programme by day, and what it owes, as the events say.
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
    points_adjusted bigint not null,
    adjusted_count  bigint not null,
    points_returned bigint not null,
    returned_count  bigint not null,
    redemption_ratio numeric generated always as (round(greatest(points_redeemed::numeric - points_returned, 0) / nullif(points_earned, 0), 4)) stored,
    primary key (tenant, day)
) with (fillfactor = 80);
comment on table loyalty_kpis is 'One row per tenant and day on which points moved or members enrolled. Points have no currency; money stands in discounts, and what is owed in loyalty_liabilities.';
comment on column loyalty_kpis.tenant is 'Whose programme.';
comment on column loyalty_kpis.day is 'The business date of the events, which may be long before they were recorded. Points expire on the first day on which they are gone.';
comment on column loyalty_kpis.points_earned is 'Points that purchases earned.';
comment on column loyalty_kpis.points_redeemed is 'Points that became discounts.';
comment on column loyalty_kpis.points_reversed is 'Points that were taken back with their purchases.';
comment on column loyalty_kpis.points_returned is 'Points that had become discounts, and came back because their orders were given back. points_redeemed still counts them.';
comment on column loyalty_kpis.returned_count is 'How often such points came back.';
comment on column loyalty_kpis.points_adjusted is 'Points given by hand, less those taken by hand.';
comment on column loyalty_kpis.adjusted_count is 'How often points were given or taken by hand.';
comment on column loyalty_kpis.points_expired is 'Points whose expiry is recorded.';
comment on column loyalty_kpis.earned_count is 'How often points were earned.';
comment on column loyalty_kpis.redeemed_count is 'How often points were redeemed.';
comment on column loyalty_kpis.reversed_count is 'How often points were taken back.';
comment on column loyalty_kpis.expired_count is 'How many lots expired.';
comment on column loyalty_kpis.enrolled is 'Customers who became members.';
comment on column loyalty_kpis.discounts is 'What the redeemed points were worth, in minor units by currency: {"EUR": 1200}.';
comment on column loyalty_kpis.position is 'Position of the last event of this day.';
comment on column loyalty_kpis.redemption_ratio is 'Points redeemed, less those that came back (at least none), by points earned on this day; null when none were earned. Of a range: the ratio of the sums.';
create table loyalty_liabilities (
    tenant    int    not null,
    day       date   not null,
    currency  text   not null,
    points    bigint not null,
    primary key (tenant, day, currency)
);
comment on table loyalty_liabilities is 'By how much what the programme owes to its members grew or shrank on each day, by currency. What is owed at the end of a day is the sum of all days up to it: sum(points) over (partition by currency order by day).';
comment on column loyalty_liabilities.tenant is 'Whose programme.';
comment on column loyalty_liabilities.day is 'The business date, as in loyalty_kpis.';
comment on column loyalty_liabilities.currency is 'The currency that the points are worth money in (ISO 4217). XXX: expiries and reversals from before events told it.';
comment on column loyalty_liabilities.points is 'Points earned, come back and given by hand, less those redeemed, taken back, taken by hand and expired. Held points are still owed. What they are worth is said by redeem.points_per_unit of the rules of loyalty_programmes that hold.';
