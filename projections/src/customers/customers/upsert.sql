insert into customers (
    id, tenant, kind, status, name, company, email, phone, user_id, stripe_customer_id, language, currency, source,
    purchase_count, first_purchase_on, last_purchase_on, registered_on, created_at, updated_at, created_position, position,
    version, lifecycle, lifecycle_since)
select * from unnest(
    $1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
    $11::text[], $12::text[], $13::text[], $14::bigint[], $15::date[], $16::date[], $17::date[], $18::timestamptz[],
    $19::timestamptz[], $20::bigint[], $21::bigint[], $22::int[],
    $23::text[], $24::date[])
on conflict (id) do update set
    kind = excluded.kind, status = excluded.status, name = excluded.name, company = excluded.company,
    email = excluded.email, phone = excluded.phone, user_id = excluded.user_id,
    stripe_customer_id = excluded.stripe_customer_id, language = excluded.language, currency = excluded.currency,
    source = excluded.source, purchase_count = excluded.purchase_count, first_purchase_on = excluded.first_purchase_on,
    last_purchase_on = excluded.last_purchase_on, registered_on = excluded.registered_on,
    created_at = excluded.created_at, updated_at = excluded.updated_at, created_position = excluded.created_position,
    position = excluded.position, version = excluded.version,
    lifecycle = excluded.lifecycle, lifecycle_since = excluded.lifecycle_since
