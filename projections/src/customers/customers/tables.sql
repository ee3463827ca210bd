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
    other_user_ids     text[]      not null default '{}',
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
    version            int         not null,
    lifecycle          text        not null
        check (lifecycle in ('prospect', 'new', 'active', 'at_risk', 'churned', 'won_back')),
    lifecycle_since    date,
    tags               text[]      not null default '{}',
    rep                text,
    route              text,
    time_zone          text,
    portal             text[]      not null default '{}',
    blocked_reason     text,
    blocked_since      date,
    block_note         text,
    milestones         jsonb       not null default '{}',
    volume_discount    jsonb,
    payment_days       int,
    metadata           jsonb       not null default '{}',
    merged_into        uuid,
    merged_position    bigint,
    birth_date         date,
    referrer_id        uuid,
    segment            text
        check (segment in ('champions', 'loyal', 'potential_loyalist', 'new', 'promising', 'need_attention', 'about_to_sleep',
                           'at_risk', 'cannot_lose', 'hibernating', 'lost')),
    is_vip             boolean     not null default false,
    segment_since      date,
    segment_scores     jsonb
) with (fillfactor = 80);
comment on table customers is 'One row per customer. email is normalised, phone is E.164; both are the primary ones.';
comment on column customers.id is 'Id of the customer.';
comment on column customers.tenant is 'Whose customer.';
comment on column customers.kind is 'A person or a company.';
comment on column customers.merged_into is 'The customer that it turned out to be: the one that was not merged itself.';
comment on column customers.merged_position is 'Position of the event that says so, the last one when there are several.';
comment on column customers.status is 'Its standing.';
comment on column customers.name is 'The person; of a company, whom to ask for.';
comment on column customers.company is 'The company.';
comment on column customers.email is 'The primary e-mail address, normalised.';
comment on column customers.phone is 'The primary phone, E.164.';
comment on column customers.user_id is 'The user of the authentication service.';
comment on column customers.other_user_ids is 'Users of it whom the duplicates of the customer logged in as.';
comment on column customers.stripe_customer_id is 'The customer of Stripe.';
comment on column customers.birth_date is 'When the person was born, where that is known.';
comment on column customers.language is 'The language to write in.';
comment on column customers.currency is 'The currency that the customer prefers.';
comment on column customers.source is 'Where the customer came from.';
comment on column customers.first_purchase_on is 'Business date of the first purchase.';
comment on column customers.last_purchase_on is 'Business date of the last purchase.';
comment on column customers.registered_on is 'Business date of the registration.';
comment on column customers.created_at is 'Business time of the registration.';
comment on column customers.updated_at is 'Business time of the latest event.';
comment on column customers.created_position is 'Position of the first event.';
comment on column customers.purchase_count is 'Purchases recorded, those given back later included.';
comment on column customers.position is 'Position of the last event of this customer.';
comment on column customers.version is 'Version of the stream after that event.';
comment on column customers.lifecycle is 'How far the customer has come with us.';
comment on column customers.lifecycle_since is 'Business date since which it is so; none for a prospect.';
comment on column customers.tags is 'What the customer is filed under.';
comment on column customers.referrer_id is 'The customer that sent this one.';
comment on column customers.rep is 'Who of ours looks after the customer.';
comment on column customers.route is 'The round on which the customer is visited or supplied.';
comment on column customers.time_zone is 'Where the clocks of the customer are (IANA).';
comment on column customers.portal is 'What the customer may see and do for itself.';
comment on column customers.blocked_reason is 'Why the customer is blocked, when it is.';
comment on column customers.blocked_since is 'Business date since which it is blocked.';
comment on column customers.block_note is 'Why it is blocked, in words.';
comment on column customers.milestones is 'Business date on which the customer first reached each stage but the first one.';
comment on column customers.volume_discount is 'What a business pays less for buying more: the code of a table, or steps, whose percents are in hundredths.';
comment on column customers.payment_days is 'In how many days invoices of a business are to be paid.';
comment on column customers.segment is 'Which kind of buyer the customer is, when it is in a segment.';
comment on column customers.is_vip is 'Whether it is one of the few for whom most is done.';
comment on column customers.segment_since is 'Business date since which both are so.';
comment on column customers.segment_scores is 'What they follow from: recency, frequency and monetary value, each from 1 to 5, when that was told.';
comment on column customers.metadata is 'What others noted about the customer.';
create table customer_references (
    tenant      int  not null,
    customer_id uuid not null,
    system      text not null,
    reference   text not null,
    primary key (customer_id, system, reference)
);
comment on table customer_references is 'What other systems call the customers.';
comment on column customer_references.tenant is 'Whose customer.';
comment on column customer_references.customer_id is 'The customer.';
comment on column customer_references.system is 'The other system.';
comment on column customer_references.reference is 'Its name for the customer.';
create table customer_users (
    tenant      int  not null,
    customer_id uuid not null,
    user_id     text not null,
    primary key (customer_id, user_id)
);
comment on table customer_users is 'The users of the authentication service as whom the customers log in.';
comment on column customer_users.tenant is 'Whose customer.';
comment on column customer_users.customer_id is 'The customer.';
comment on column customer_users.user_id is 'A user: its own, or one whom a duplicate logged in as.';
create table customer_tags (
    tenant           int    not null,
    customer_id      uuid   not null,
    tag              text   not null,
    created_position bigint not null,
    primary key (tenant, customer_id, tag)
);
comment on table customer_tags is 'What the customers are filed under who may be found.';
comment on column customer_tags.tenant is 'Whose customer.';
comment on column customer_tags.customer_id is 'The customer.';
comment on column customer_tags.tag is 'The tag.';
comment on column customer_tags.created_position is 'Position of the first event of the customer: the order in which they are listed.';
create table customer_words (
    tenant      int  not null,
    customer_id uuid not null,
    word        text collate "C" not null,
    primary key (tenant, customer_id, word)
);
comment on table customer_words is 'The words of the names of customers and companies that may be found: small letters without accents.';
comment on column customer_words.tenant is 'Whose customer.';
comment on column customer_words.customer_id is 'The customer.';
comment on column customer_words.word is 'A word of its name or company, compared byte by byte.';
