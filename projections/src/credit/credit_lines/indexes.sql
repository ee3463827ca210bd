create index idx_credit_lines_customer on credit_lines (tenant, customer_id, currency);
create index idx_credit_lines_created on credit_lines (tenant, created_position);
create index idx_credit_lines_status on credit_lines (tenant, status, created_position);
create index idx_credit_lines_group on credit_lines (tenant, group_id) where group_id is not null;
create index idx_credit_lines_lapse on credit_lines (tenant, next_lapse_at, line_id) where next_lapse_at is not null;
create index idx_credit_lines_expiry on credit_lines (tenant, next_expiry_on, line_id) where next_expiry_on is not null;
create index idx_credit_lines_overdue on credit_lines (tenant, next_overdue_on, line_id) where next_overdue_on is not null;
create index idx_credit_lines_dunning on credit_lines (tenant, next_dunning_on, line_id) where next_dunning_on is not null;
create index idx_credit_lines_review on credit_lines (tenant, next_review_on, line_id) where next_review_on is not null;
