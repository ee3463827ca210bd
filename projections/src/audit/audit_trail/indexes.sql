create index idx_audit_trail_actor on audit_trail (tenant, actor, position desc);
create index idx_audit_trail_customer on audit_trail (tenant, customer_id, position desc) where customer_id is not null;
create index idx_audit_trail_type on audit_trail (tenant, event_type, position desc);
create index idx_audit_trail_occurred on audit_trail (tenant, occurred_at);
