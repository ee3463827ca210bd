-- The versions of the rules of loyalty programmes, as the events say.
create table loyalty_programmes (
    tenant       int         not null,
    version      int         not null,
    from_on      date        not null,
    rules        jsonb       not null,
    rehearsal_id uuid,
    published_on date        not null,
    published_at timestamptz not null,
    position     bigint      not null,
    primary key (tenant, version)
);
comment on table loyalty_programmes is 'One row per version of a tenant''s rules. The highest version whose from_on has come holds on a day; before the first, the standard rules.';
comment on column loyalty_programmes.tenant is 'Whose programme.';
comment on column loyalty_programmes.version is 'The number of the version, from one.';
comment on column loyalty_programmes.from_on is 'The first business date for which the rules hold.';
comment on column loyalty_programmes.rules is 'The rules, as they were published: {earn, redeem, expiry_months, tiers}. Points to the next tier of an account: the from_points of the tier above, less its earned_last_12_months.';
comment on column loyalty_programmes.rehearsal_id is 'The rehearsal that showed what the rules would have done.';
comment on column loyalty_programmes.published_on is 'Business date of the publication.';
comment on column loyalty_programmes.published_at is 'When that was.';
comment on column loyalty_programmes.position is 'Position of the event.';
