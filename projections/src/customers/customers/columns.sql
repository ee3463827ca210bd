select c.id, c.tenant, c.kind, c.status, c.name, c.company, c.email, c.phone, c.user_id, c.stripe_customer_id, c.language,
       c.currency, c.source, c.purchase_count, c.first_purchase_on, c.last_purchase_on, c.registered_on, c.created_at,
       c.updated_at, c.created_position, c.position, c.version, c.lifecycle, c.lifecycle_since,
       coalesce((select array_agg(r.system order by r.system, r.reference) from customer_references r
                 where r.customer_id = c.id), '{}') as systems,
       coalesce((select array_agg(r.reference order by r.system, r.reference) from customer_references r
                 where r.customer_id = c.id), '{}') as names
