-- Movements of what is owed on lines of credit, as their events say.
create table credit_movements (
    position          bigint      not null primary key,
    tenant            int         not null,
    line_id           uuid        not null,
    customer_id       uuid,
    kind              text        not null check (kind in ('used', 'received', 'paid', 'paid_from_unapplied', 'cancelled', 'reversed', 'refunded')),
    currency          text        not null,
    amount_minor      bigint      not null,
    outstanding_minor bigint      not null,
    unapplied_minor   bigint      not null,
    order_id          text,
    payment_id        text,
    invoice_id        text,
    hold_id           uuid,
    release_id        text,
    refund_id         text,
    reason            text,
    due_on            date,
    received_on       date,
    moved_on          date        not null,
    occurred_at       timestamptz not null,
    recorded_at       timestamptz not null
);
comment on table credit_movements is 'One row per movement of what is owed on a line of credit, in minor units of its currency. A row never changes. What is owed after a movement is the sum of outstanding_minor - unapplied_minor up to it.';
comment on column credit_movements.position is 'Position of the event that moved it.';
comment on column credit_movements.tenant is 'Whose business it is.';
comment on column credit_movements.line_id is 'The line.';
comment on column credit_movements.customer_id is 'Whose line it is.';
comment on column credit_movements.kind is 'used: an order was bought; received: money came in; paid: an order was paid with it; paid_from_unapplied: with money that had come in before; cancelled: what was bought came to nothing, or to less; reversed: money that had come in turned out to be none; refunded: money that had paid nothing was paid out.';
comment on column credit_movements.currency is 'Currency of the line.';
comment on column credit_movements.amount_minor is 'How much was bought, came in, was paid, cancelled, reversed or paid out: always positive.';
comment on column credit_movements.outstanding_minor is 'What was added to what is outstanding: below zero where it was paid or cancelled.';
comment on column credit_movements.unapplied_minor is 'What was added to the money that came in and paid nothing yet: all of it when it comes, below zero where it pays or is paid out.';
comment on column credit_movements.order_id is 'The order.';
comment on column credit_movements.payment_id is 'The payment.';
comment on column credit_movements.invoice_id is 'The invoice of the order.';
comment on column credit_movements.hold_id is 'The hold that had kept the order.';
comment on column credit_movements.release_id is 'What who cancelled it calls that.';
comment on column credit_movements.refund_id is 'What who paid money out calls that.';
comment on column credit_movements.reason is 'Why it was cancelled, reversed or paid out.';
comment on column credit_movements.due_on is 'The last day on which what was bought is paid in time.';
comment on column credit_movements.received_on is 'Business date on which the money came.';
comment on column credit_movements.moved_on is 'Business date.';
comment on column credit_movements.occurred_at is 'Business time.';
comment on column credit_movements.recorded_at is 'When it was written into the log.';
