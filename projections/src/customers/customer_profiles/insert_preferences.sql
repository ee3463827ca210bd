insert into customer_preferences (
    tenant, customer_id, channels, categories, notifications, billing, restrictions, favourite_orders, position)
select n.tenant, n.customer_id, array(select jsonb_array_elements_text(n.channels)),
       array(select jsonb_array_elements_text(n.categories)), n.notifications, n.billing,
       array(select jsonb_array_elements_text(n.restrictions)), n.favourite_orders, n.position
from unnest($1::int[], $2::uuid[], $3::jsonb[], $4::jsonb[], $5::jsonb[], $6::jsonb[], $7::jsonb[], $8::jsonb[], $9::bigint[])
  as n(tenant, customer_id, channels, categories, notifications, billing, restrictions, favourite_orders, position)
