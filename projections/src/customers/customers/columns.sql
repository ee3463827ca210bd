select c.id, c.tenant, c.kind, c.status, c.name, c.company, c.email, c.phone, c.user_id, c.other_user_ids, c.stripe_customer_id, c.language,
       c.currency, c.source, c.purchase_count, c.first_purchase_on, c.last_purchase_on, c.registered_on, c.created_at,
       c.updated_at, c.created_position, c.position, c.version, c.lifecycle, c.lifecycle_since, c.tags,
       c.rep, c.route, c.time_zone, c.portal, c.blocked_reason, c.blocked_since, c.block_note, c.milestones, c.volume_discount,
       c.payment_days, c.metadata, c.merged_into, c.merged_position, c.birth_date, c.referrer_id,
       c.segment, c.is_vip, c.segment_since, c.segment_scores,
       array(select r.system from customer_references r where r.customer_id = c.id order by r.system, r.reference) as systems,
       array(select r.reference from customer_references r where r.customer_id = c.id order by r.system, r.reference) as names
