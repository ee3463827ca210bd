create index idx_credit_movements_line on credit_movements (tenant, line_id, position desc) include (outstanding_minor, unapplied_minor);
create index idx_credit_movements_day on credit_movements (tenant, line_id, moved_on, position) include (outstanding_minor, unapplied_minor);
create index idx_credit_movements_customer on credit_movements (tenant, customer_id, position desc);
