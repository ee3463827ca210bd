select l.line_id, l.tenant, l.customer_id, l.currency, l.status, l.suspended_for, l.requested_minor, l.requested_by,
       l.requested_on, l.rejected_for, l.rejected_by, l.rejected_on, l.approved_by, l.approved_on, l.limit_minor,
       l.term_days, l.policy, l.closed_for, l.closed_on, l.used_minor, l.held_minor, l.unapplied_minor, l.uses, l.holds,
       l.temporary, l.group_id, l.dunning_level, l.dunned_on, l.dunning_paused_by, l.review_on, l.next_lapse_at,
       l.next_expiry_on, l.next_overdue_on, l.next_dunning_on, l.next_review_on, l.latest_on, l.updated_at,
       l.created_position, l.position, l.version
