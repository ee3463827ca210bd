-- Lines of credit, as their events say.
create table credit_lines (
    line_id           uuid        not null primary key,
    tenant            int         not null,
    customer_id       uuid        not null,
    currency          text        not null,
    status            text        not null check (status in ('requested', 'rejected', 'active', 'suspended', 'closed')),
    suspended_for     text[]      not null,
    requested_minor   bigint      not null,
    requested_by      text        not null,
    requested_on      date        not null,
    rejected_for      text,
    rejected_by       text,
    rejected_on       date,
    approved_by       text,
    approved_on       date,
    limit_minor       bigint,
    term_days         int,
    policy            jsonb,
    closed_for        text,
    closed_on         date,
    used_minor        bigint      not null,
    held_minor        bigint      not null,
    unapplied_minor   bigint      not null,
    uses              jsonb       not null,
    paid              jsonb       not null,
    holds             jsonb       not null,
    temporary         jsonb       not null,
    group_id          uuid,
    dunning_level     int         not null,
    dunned_on         date,
    dunning_paused_by text[]      not null,
    review_on         date,
    next_lapse_at     timestamptz,
    next_expiry_on    date,
    next_overdue_on   date,
    next_dunning_on   date,
    next_review_on    date,
    latest_on         date        not null,
    updated_at        timestamptz not null,
    created_position  bigint      not null,
    position          bigint      not null,
    version           int         not null
) with (fillfactor = 80);
comment on table credit_lines is 'One row per line of credit, which is one customer''s in one currency. Amounts are in minor units of that currency.';
comment on column credit_lines.line_id is 'Id of the line; it is made of the ids of customer and currency.';
comment on column credit_lines.tenant is 'Whose business it is.';
comment on column credit_lines.customer_id is 'Whose line it is.';
comment on column credit_lines.currency is 'The only currency in which it is used and paid.';
comment on column credit_lines.status is 'requested: to be decided on; rejected; active; suspended: nothing new is bought on it for now; closed.';
comment on column credit_lines.suspended_for is 'Why nothing new is bought: by_hand, overdue, review_due. Empty: it is.';
comment on column credit_lines.requested_minor is 'For how much was asked last.';
comment on column credit_lines.requested_by is 'Who asked last: the actor, as events name it.';
comment on column credit_lines.requested_on is 'Business date of that.';
comment on column credit_lines.rejected_for is 'Why it was not given.';
comment on column credit_lines.rejected_by is 'Who decided so.';
comment on column credit_lines.rejected_on is 'Business date of that.';
comment on column credit_lines.approved_by is 'Who gave it.';
comment on column credit_lines.approved_on is 'Business date of that.';
comment on column credit_lines.limit_minor is 'What may be used, without tolerance and temporary credit. Null until it is given.';
comment on column credit_lines.term_days is 'In how many days what is bought now is to be paid.';
comment on column credit_lines.policy is 'The rules: {tolerance_percent, counts, review_on, overdue_block, suspend_when_overdue, dunning}. Of a line that was asked for again: by which what is owed still is reminded of.';
comment on column credit_lines.closed_for is 'Why it was closed.';
comment on column credit_lines.closed_on is 'Business date of that.';
comment on column credit_lines.used_minor is 'What is to be paid.';
comment on column credit_lines.held_minor is 'What is promised to orders. Holds that lapsed since the last event are still in it.';
comment on column credit_lines.unapplied_minor is 'What has come in and paid nothing yet. Below zero when a payment turned out to be none that was paid out already.';
comment on column credit_lines.uses is 'Orders with something outstanding, the oldest due first: {order, amount_minor, outstanding_minor, used_on, due_on, is_overdue (told once), is_borne (somebody bears with it)}.';
comment on column credit_lines.paid is 'The same of orders that are paid, until a payment that turns out to be none cannot bring them back any more (kept_until).';
comment on column credit_lines.holds is 'Open holds, in the order in which they lapse: {hold, order, amount_minor, lapses_at, lapses_on}.';
comment on column credit_lines.temporary is 'What may be used beyond the limit for a time, the next to expire first: {case, amount_minor, expires_on}. What expired since the last event is still in it.';
comment on column credit_lines.group_id is 'The group that it shares a limit with.';
comment on column credit_lines.dunning_level is 'How many levels of dunning were sent since something is overdue.';
comment on column credit_lines.dunned_on is 'Business date of the last one.';
comment on column credit_lines.dunning_paused_by is 'The cases because of which the customer is not reminded.';
comment on column credit_lines.review_on is 'The last day before the limit of an open line has to be looked at again.';
comment on column credit_lines.next_lapse_at is 'When the first open hold lapses.';
comment on column credit_lines.next_expiry_on is 'The first day on which some of the temporary credit is gone.';
comment on column credit_lines.next_overdue_on is 'The first day on which something is overdue that was not told, or for so long that the line is to be suspended.';
comment on column credit_lines.next_dunning_on is 'The first day on which the customer is to be reminded. Null while a case pauses it, and after the last level.';
comment on column credit_lines.next_review_on is 'The first day on which the line is to be suspended because its limit was not looked at.';
comment on column credit_lines.latest_on is 'The latest business date of its events since it was given.';
comment on column credit_lines.updated_at is 'Business time of the latest event.';
comment on column credit_lines.created_position is 'Position of its first event: the order in which lines are listed.';
comment on column credit_lines.position is 'Position of its last event.';
comment on column credit_lines.version is 'Version of the stream after that event.';
