-- What happened to customers, as their events say.
create table customer_timeline (
    position    bigint      not null primary key,
    tenant      int         not null,
    customer_id uuid        not null,
    event_type  text        not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    facts       jsonb       not null
);
comment on table customer_timeline is 'One row per event of a customer, of whatever context. A row never changes.';
comment on column customer_timeline.position is 'Position of the event.';
comment on column customer_timeline.tenant is 'Whose customer.';
comment on column customer_timeline.customer_id is 'The customer to whom it happened.';
comment on column customer_timeline.event_type is 'Wire name of the event.';
comment on column customer_timeline.occurred_at is 'Business time.';
comment on column customer_timeline.recorded_at is 'When it was written into the log.';
comment on column customer_timeline.facts is 'What a person at the desk needs of the event, by name: order_id, total, points, tier and the like. Nothing that tells who somebody is.';
