-- Claims see to it that a contact is one customer's; the row of one who may not be found any more does not count.
     , (select min(p.position) from projection_positions p where p.projector in ('customers', 'customer_profiles')) as as_of
from customers c
where c.status in ('active', 'blocked')
  and c.id = any(array(select k.customer_id from customer_contacts k where k.kind = $1 and k.normalized = $2))
