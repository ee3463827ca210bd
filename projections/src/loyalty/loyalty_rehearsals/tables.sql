-- The rehearsals of rules of loyalty programmes, as the events say.
create table loyalty_rehearsals (
    tenant                int         not null,
    rehearsal_id          uuid        not null,
    rules                 jsonb       not null,
    replayed              bigint      not null,
    members               bigint      not null,
    purchases             bigint      not null,
    upgraded              bigint      not null,
    downgraded            bigint      not null,
    points                bigint      not null,
    rehearsed_points      bigint      not null,
    liabilities           jsonb       not null,
    rehearsed_liabilities jsonb       not null,
    rehearsed_on          date        not null,
    rehearsed_at          timestamptz not null,
    position              bigint      not null,
    primary key (tenant, rehearsal_id)
);
comment on table loyalty_rehearsals is 'One row per rehearsal of rules over a tenant''s history: what they would have changed, in sum, had they always held.';
comment on column loyalty_rehearsals.tenant is 'Whose programme.';
comment on column loyalty_rehearsals.rehearsal_id is 'The rehearsal; a version that refers to it names it in loyalty_programmes.';
comment on column loyalty_rehearsals.rules is 'The rules: {earn, redeem, expiry_months, tiers}.';
comment on column loyalty_rehearsals.replayed is 'The position of the log up to which it was replayed.';
comment on column loyalty_rehearsals.members is 'The members.';
comment on column loyalty_rehearsals.purchases is 'The purchases of members.';
comment on column loyalty_rehearsals.upgraded is 'The members who would be of a higher tier.';
comment on column loyalty_rehearsals.downgraded is 'The members who would be of a lower tier.';
comment on column loyalty_rehearsals.points is 'The points, available and held, that there were then, of all currencies.';
comment on column loyalty_rehearsals.rehearsed_points is 'The points that there would have been.';
comment on column loyalty_rehearsals.liabilities is 'What points were worth, by currency: [{amount, currency}].';
comment on column loyalty_rehearsals.rehearsed_liabilities is 'What they would have been worth.';
comment on column loyalty_rehearsals.rehearsed_on is 'Business date of the rehearsal.';
comment on column loyalty_rehearsals.rehearsed_at is 'When that was.';
comment on column loyalty_rehearsals.position is 'Position of the event.';
