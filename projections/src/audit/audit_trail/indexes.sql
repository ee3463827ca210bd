create index idx_audit_trail_recorded on audit_trail (tenant, recorded_at desc, position desc);
create index idx_audit_trail_actor on audit_trail (tenant, actor, recorded_at desc, position desc);
create index idx_audit_trail_request on audit_trail (tenant, request_id, recorded_at desc, position desc) where request_id is not null;
create index idx_audit_trail_correlation on audit_trail (tenant, correlation_id, recorded_at desc, position desc)
    where correlation_id is not null;
create index idx_audit_trail_causation on audit_trail (tenant, causation_id, recorded_at desc, position desc)
    where causation_id is not null;
create index idx_audit_trail_via on audit_trail (tenant, via, recorded_at desc, position desc) where via is not null;
create index idx_audit_trail_order on audit_trail (tenant, order_id, recorded_at desc, position desc) where order_id is not null;
create index idx_audit_trail_customer on audit_trail (tenant, customer_id, recorded_at desc, position desc)
    where customer_id is not null;
create index idx_audit_trail_stream on audit_trail (tenant, stream, recorded_at desc, position desc);
create index idx_audit_trail_type on audit_trail (tenant, event_type, recorded_at desc, position desc);
