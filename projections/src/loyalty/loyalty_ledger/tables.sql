-- Movements of points, as their events say.
create table loyalty_ledger (
    position     bigint      not null primary key,
    tenant       int         not null,
    account      uuid        not null,
    kind         text        not null check (kind in ('earned', 'held', 'released', 'redeemed', 'reversed', 'returned',
                         'adjusted', 'expired', 'transferred_in', 'transferred_out', 'merged_in', 'merged_out', 'closed')),
    points       bigint      not null,
    balance      bigint      not null,
    lot          bigint,
    order_id     text,
    refund_id    text,
    amount_minor bigint,
    currency     text,
    moved_on     date        not null,
    occurred_at  timestamptz not null,
    recorded_at  timestamptz not null,
    held         bigint      not null,
    hold_id      uuid,
    adjustment_id text,
    reason       text,
    transfer_id  text,
    other_account uuid,
    campaigns    jsonb
);
comment on table loyalty_ledger is 'One row per movement of points. A row never changes.';
comment on column loyalty_ledger.position is 'Position of the event that moved the points.';
comment on column loyalty_ledger.tenant is 'Whose account.';
comment on column loyalty_ledger.account is 'The loyalty account; it has the id of its customer.';
comment on column loyalty_ledger.kind is 'Whether points were earned, held (set aside for an order), released (given back), redeemed, reversed (taken back with their purchase), returned (redeemed for a purchase that was given back), adjusted (given or taken by hand), expired, transferred_in or transferred_out (from or to another account), merged_in or merged_out (with the whole account of a duplicate), or lost because the account was closed.';
comment on column loyalty_ledger.points is 'What was added to the balance: below zero where points went. Held points that were redeemed had left it before.';
comment on column loyalty_ledger.balance is 'Available after the movement; below zero when points are owed.';
comment on column loyalty_ledger.lot is 'The lot that was made, taken back or expired. What is taken by hand or redeemed comes from several and has none here.';
comment on column loyalty_ledger.order_id is 'The order that earned the points, or for which they are held, or that is discounted by them.';
comment on column loyalty_ledger.refund_id is 'The refund by which they were taken back, or came back.';
comment on column loyalty_ledger.amount_minor is 'In minor units of currency: what was paid for points earned, what points held or redeemed are worth.';
comment on column loyalty_ledger.currency is 'Currency of the amount; none where the event has no amount.';
comment on column loyalty_ledger.moved_on is 'Business date. Points that expired: the first day on which they were gone, whenever it was recorded.';
comment on column loyalty_ledger.occurred_at is 'Business time.';
comment on column loyalty_ledger.recorded_at is 'When it was written into the log.';
comment on column loyalty_ledger.held is 'What was added to the held points: below zero where they were redeemed or given back.';
comment on column loyalty_ledger.hold_id is 'The hold that set the points aside. Of expired points: that had kept them beyond their time.';
comment on column loyalty_ledger.adjustment_id is 'Of points given or taken by hand: what who did it calls it.';
comment on column loyalty_ledger.reason is 'Why points were given or taken by hand: goodwill, correction, compensation, promotion or fraud. Of a transfer: a word that who asked for it chose.';
comment on column loyalty_ledger.transfer_id is 'The transfer, as whoever asked for it numbers it.';
comment on column loyalty_ledger.other_account is 'The account that the points came from or went to.';
comment on column loyalty_ledger.campaigns is 'What of points earned campaigns gave, before the caps of the programme; of those taken back, by how much less they gave: [{campaign_id, version, points}]. Null where no campaign did.';
