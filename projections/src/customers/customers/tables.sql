-- Customers, as their events say.
create table customers (
    id                 uuid        not null primary key,
    tenant             int         not null,
    kind               text        not null check (kind in ('individual', 'business')),
    status             text        not null check (status in ('active', 'blocked', 'merged', 'deleted', 'erased')),
    name               text,
    company            text,
    email              text,
    phone              text,
    user_id            text,
    stripe_customer_id text,
    language           text,
    currency           text,
    source             text,
    purchase_count     bigint      not null,
    first_purchase_on  date,
    last_purchase_on   date,
    registered_on      date        not null,
    created_at         timestamptz not null,
    updated_at         timestamptz not null,
    created_position   bigint      not null,
    position           bigint      not null,
    version            int         not null
) with (fillfactor = 80);
comment on table customers is 'One row per customer. email is normalised, phone is E.164; both are the primary ones.';
comment on column customers.purchase_count is 'Purchases recorded, those given back later included.';
comment on column customers.position is 'Position of the last event of this customer.';
comment on column customers.version is 'Version of the stream after that event.';
create table customer_references (
    tenant      int  not null,
    customer_id uuid not null,
    system      text not null,
    reference   text not null,
    primary key (customer_id, system, reference)
);
comment on table customer_references is 'What other systems call the customers.';
