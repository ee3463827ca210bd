-- What about loyalty accounts is to be looked at, as their events say.
create table loyalty_flags (
    account    uuid   not null,
    flag       text   not null check (flag in ('buy_refund_loop', 'self_referral')),
    tenant     int    not null,
    orders     int    not null,
    since      date   not null,
    raised_on  date   not null,
    cleared_on date,
    reason     text,
    position   bigint not null,
    primary key (account, flag)
);
comment on table loyalty_flags is 'One row per account and kind of what a person is to look at: it may be abuse, or bad luck. Nothing is refused because of it.';
comment on column loyalty_flags.account is 'The loyalty account; it has the id of its customer.';
comment on column loyalty_flags.flag is 'What: buy_refund_loop, at least five orders that had earned were given back whole within thirty days; self_referral, who sent the customer may be the same person.';
comment on column loyalty_flags.tenant is 'Whose account.';
comment on column loyalty_flags.orders is 'How many orders it was about when it was flagged last: bought and given back, or the first purchase.';
comment on column loyalty_flags.since is 'Business date of the first of them.';
comment on column loyalty_flags.raised_on is 'Business date on which it was flagged last.';
comment on column loyalty_flags.cleared_on is 'Business date on which somebody had looked at it, or the account was over. Null: it is to be looked at.';
comment on column loyalty_flags.reason is 'What came of it, where that was said.';
comment on column loyalty_flags.position is 'Position of the event that flagged it last.';
