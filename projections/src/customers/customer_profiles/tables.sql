-- What is known of customers beside the row of each, as their events say.
create table customer_contacts (
    tenant      int  not null,
    customer_id uuid not null,
    kind        text not null check (kind in ('email', 'phone')),
    rank        int  not null,
    value       text not null,
    normalized  text not null,
    primary key (customer_id, kind, rank)
);
comment on table customer_contacts is 'How customers are reached: all e-mail addresses and phones.';
comment on column customer_contacts.tenant is 'Whose customer.';
comment on column customer_contacts.customer_id is 'The customer.';
comment on column customer_contacts.kind is 'What it is: email or phone.';
comment on column customer_contacts.rank is '1 is the primary one of its kind.';
comment on column customer_contacts.value is 'The address as it is written to, or the phone as E.164.';
comment on column customer_contacts.normalized is 'What it is found by: the address in small letters with its domain as machines write it, or the phone as E.164.';
create table customer_documents (
    tenant      int  not null,
    customer_id uuid not null,
    rank        int  not null,
    kind        text not null,
    number      text not null,
    country     text not null,
    primary key (customer_id, rank)
);
comment on table customer_documents is 'Identity documents of customers.';
comment on column customer_documents.tenant is 'Whose customer.';
comment on column customer_documents.customer_id is 'The customer.';
comment on column customer_documents.rank is 'Place in the list that was given, from 1.';
comment on column customer_documents.kind is 'What it is: dni, nie, cif, nif, passport, national_id or tax_id.';
comment on column customer_documents.number is 'The number, without separators, in capital letters.';
comment on column customer_documents.country is 'The country that issued it (ISO 3166-1).';
create table customer_addresses (
    id           uuid    not null primary key,
    tenant       int     not null,
    customer_id  uuid    not null,
    kind         text    not null check (kind in ('shipping', 'billing')),
    is_default   boolean not null,
    name         text,
    line1        text    not null,
    line2        text,
    city         text,
    region       text,
    postal_code  text,
    country      text    not null,
    phone        text,
    instructions text,
    position     bigint  not null
);
comment on table customer_addresses is 'Where things and invoices are sent. Of each kind a customer has one default as soon as there is any.';
comment on column customer_addresses.id is 'Id of the address.';
comment on column customer_addresses.tenant is 'Whose customer.';
comment on column customer_addresses.customer_id is 'The customer.';
comment on column customer_addresses.kind is 'What it is for: shipping or billing.';
comment on column customer_addresses.is_default is 'Whether it is used when none is named.';
comment on column customer_addresses.name is 'Whom to look for there.';
comment on column customer_addresses.line1 is 'Street and number, or what stands for them.';
comment on column customer_addresses.line2 is 'Floor, door and the like.';
comment on column customer_addresses.city is 'The town.';
comment on column customer_addresses.region is 'The province or state.';
comment on column customer_addresses.postal_code is 'As the country writes it.';
comment on column customer_addresses.country is 'The country (ISO 3166-1).';
comment on column customer_addresses.phone is 'Whom to call at the door, E.164.';
comment on column customer_addresses.instructions is 'What who brings it must know.';
comment on column customer_addresses.position is 'Position of the event that last said where it is.';
create table customer_preferences (
    customer_id      uuid   not null primary key,
    tenant           int    not null,
    channels         text[] not null,
    categories       text[] not null,
    notifications    jsonb  not null,
    billing          jsonb,
    restrictions     text[] not null,
    favourite_orders jsonb  not null,
    position         bigint not null
);
comment on table customer_preferences is 'What customers like, and how they want to be written to and billed.';
comment on column customer_preferences.customer_id is 'The customer.';
comment on column customer_preferences.tenant is 'Whose customer.';
comment on column customer_preferences.channels is 'Where they like to buy, the favourite first.';
comment on column customer_preferences.categories is 'What they are interested in.';
comment on column customer_preferences.notifications is 'What they want to hear of and how: topic and channels of each.';
comment on column customer_preferences.billing is 'How they are billed: currency, language, delivery.';
comment on column customer_preferences.restrictions is 'What must not be.';
comment on column customer_preferences.favourite_orders is 'What they order again and again: name, items and note of each.';
comment on column customer_preferences.position is 'Position of the event that last changed them.';
