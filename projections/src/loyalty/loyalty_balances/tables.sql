-- Loyalty balances, as their events say.
create table loyalty_balances (
    account               uuid        not null primary key,
    tenant                int         not null,
    currency              text        not null,
    available             bigint      not null,
    pending               bigint      not null,
    held                  bigint      not null,
    lifetime_earned       bigint      not null,
    redeemed              bigint      not null,
    expired               bigint      not null,
    reversed              bigint      not null,
    earned_last_12_months bigint      not null,
    earned_reference_on   date,
    tier                  text        not null check (tier in ('bronze', 'silver', 'gold', 'platinum')),
    next_tier             text        check (next_tier in ('silver', 'gold', 'platinum')),
    points_to_next_tier   bigint,
    enrolled_on           date        not null,
    lots                  jsonb       not null,
    updated_at            timestamptz not null,
    position              bigint      not null,
    version               int         not null
) with (fillfactor = 80);
comment on table loyalty_balances is 'One row per loyalty account; the account has the id of its customer.';
comment on column loyalty_balances.available is 'After the last event. Lots that are due since are still in it: subtract those whose expires_on has come.';
comment on column loyalty_balances.earned_last_12_months is 'Earned, less reversed, in the twelve calendar months that end on earned_reference_on.';
comment on column loyalty_balances.earned_reference_on is 'The latest business date on which the account has earned.';
comment on column loyalty_balances.lots is 'Points by purchase, in the order in which they expire: {lot, order, left, counted, earned_on, expires_on}. Used-up lots stay while the last twelve months count them.';
