-- Orders that were bought on credit, as the events of lines say.
create table credit_aging (
    line_id           uuid   not null,
    order_id          text   not null,
    tenant            int    not null,
    customer_id       uuid,
    currency          text   not null,
    amount_minor      bigint not null,
    outstanding_minor bigint not null,
    invoice_id        text,
    used_on           date   not null,
    due_on            date   not null,
    overdue_noted_on  date,
    position          bigint not null,
    primary key (line_id, order_id)
) with (fillfactor = 80);
comment on table credit_aging is 'One row per order that was bought on credit; one that is paid has nothing outstanding. How many days something is overdue is a business date less due_on.';
comment on column credit_aging.line_id is 'The line on which it was bought.';
comment on column credit_aging.order_id is 'The order.';
comment on column credit_aging.tenant is 'Whose business it is.';
comment on column credit_aging.customer_id is 'Whose line it is.';
comment on column credit_aging.currency is 'Currency of the line.';
comment on column credit_aging.amount_minor is 'How much it was, in minor units of currency.';
comment on column credit_aging.outstanding_minor is 'What is to be paid of it still.';
comment on column credit_aging.invoice_id is 'The invoice.';
comment on column credit_aging.used_on is 'Business date on which it was bought.';
comment on column credit_aging.due_on is 'The last day on which it is paid in time.';
comment on column credit_aging.overdue_noted_on is 'Business date on which it was told to be overdue, which happens once.';
comment on column credit_aging.position is 'Position of the event by which it was bought.';
