create index idx_credit_groups_created on credit_groups (tenant, created_position);
create index idx_credit_groups_parent on credit_groups (tenant, parent_id, created_position);
create index idx_credit_group_members_customer on credit_group_members (tenant, customer_id);
