create index idx_credit_aging_line on credit_aging (tenant, line_id, due_on) where outstanding_minor > 0;
create index idx_credit_aging_customer on credit_aging (tenant, customer_id, due_on) where outstanding_minor > 0;
create index idx_credit_aging_due on credit_aging (tenant, currency, due_on) include (outstanding_minor) where outstanding_minor > 0;
create index idx_credit_aging_position on credit_aging (tenant, customer_id, position);
