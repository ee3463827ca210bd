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
    enrolled_on           date        not null,
    lots                  jsonb       not null,
    updated_at            timestamptz not null,
    position              bigint      not null,
    version               int         not null,
    holds                 jsonb       not null,
    next_lapse_at         timestamptz,
    next_expiry_on        date,
    expired_until         date,
    review_on             date,
    closed_on             date,
    merged_into           uuid,
    adjusted              bigint      not null,
    transferred_in        bigint      not null,
    transferred_out       bigint      not null,
    returned              bigint      not null,
    pending_points        jsonb       not null,
    next_vest_on          date,
    stamp_cards           jsonb       not null,
    rewards               jsonb       not null
) with (fillfactor = 80);
comment on table loyalty_balances is 'One row per loyalty account; the account has the id of its customer.';
comment on column loyalty_balances.account is 'Id of the account.';
comment on column loyalty_balances.tenant is 'Whose account.';
comment on column loyalty_balances.currency is 'The currency in which it earns.';
comment on column loyalty_balances.pending is 'Points that have not vested; those whose day has come since the last event are still in it.';
comment on column loyalty_balances.pending_points is 'They by purchase, in the order in which they vest, those that wait for somebody to say so last: {lot, order, points, pending_on, vests_on, expires_on}.';
comment on column loyalty_balances.next_vest_on is 'The first day on which some of them vest.';
comment on column loyalty_balances.held is 'Points that are held for a sale: not in available. Holds that lapsed since the last event are still in it.';
comment on column loyalty_balances.lifetime_earned is 'All that was ever earned.';
comment on column loyalty_balances.redeemed is 'All that was ever redeemed.';
comment on column loyalty_balances.expired is 'All whose expiry is recorded.';
comment on column loyalty_balances.reversed is 'All that was taken back.';
comment on column loyalty_balances.returned is 'All that was redeemed for orders that were given back, and came back itself.';
comment on column loyalty_balances.adjusted is 'All that was given by hand, less what was taken by hand.';
comment on column loyalty_balances.transferred_in is 'All that came from other accounts, by transfers and merges. What came by a transfer does not count for the tier.';
comment on column loyalty_balances.transferred_out is 'All that went to other accounts, by transfers and merges. It still counts for the tier.';
comment on column loyalty_balances.tier is 'The tier. What the next one asks for, and what its members enjoy, is said by the rules of loyalty_programmes that hold.';
comment on column loyalty_balances.enrolled_on is 'Business date of the enrolment.';
comment on column loyalty_balances.updated_at is 'Business time of the latest event.';
comment on column loyalty_balances.position is 'Position of the last event of this account.';
comment on column loyalty_balances.version is 'Version of the stream after that event.';
comment on column loyalty_balances.available is 'After the last event. Lots that are due since are still in it: subtract those whose expires_on has come. Held points are not.';
comment on column loyalty_balances.earned_last_12_months is 'Earned, less reversed, in the twelve calendar months that end on earned_reference_on.';
comment on column loyalty_balances.earned_reference_on is 'The latest business date on which the account has earned.';
comment on column loyalty_balances.lots is 'Points by purchase, or given by hand (those count for no tier), in the order in which they expire: {lot, left, counted, earned_on, expires_on}. Used-up lots stay while the last twelve months, or the next review, count them.';
comment on column loyalty_balances.holds is 'Open holds, in the order in which they lapse: {hold, order, points, discount, lapses_at, lots}.';
comment on column loyalty_balances.next_lapse_at is 'When the first open hold lapses.';
comment on column loyalty_balances.next_expiry_on is 'The first day on which points of the oldest lot that has some left are gone, or a reward is.';
comment on column loyalty_balances.expired_until is 'The latest such day whose expiry is recorded.';
comment on column loyalty_balances.review_on is 'The anniversary of the enrolment on which the tier is reviewed next; none for the lowest tier, which cannot be lost.';
comment on column loyalty_balances.closed_on is 'Business date on which the account was closed, because its customer was erased or merged into another one: nothing is left on it.';
comment on column loyalty_balances.merged_into is 'Whose account took over what it had, when the customer was merged into another one.';
comment on column loyalty_balances.stamp_cards is 'What is on stamp cards: {card, stamps}; below zero when the stamps had earned a reward that is spent. Cards with nothing on them are not told.';
comment on column loyalty_balances.rewards is 'The rewards that can be redeemed, in the order in which they expire: {reward, card, code, earned_on, expires_on}. Those whose day has come since the last event are still in it.';
