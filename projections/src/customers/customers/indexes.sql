create index idx_customers_email on customers (tenant, email) where email is not null;
create index idx_customers_user_id on customers (tenant, user_id) where user_id is not null;
create index idx_customers_stripe_customer_id on customers (tenant, stripe_customer_id)
    where stripe_customer_id is not null;
create index idx_customers_registered on customers (tenant, created_position);
create index idx_customers_rep on customers (tenant, rep, created_position) where rep is not null;
create index idx_customers_segment on customers (tenant, segment, created_position) where segment is not null;
create index idx_customers_vip on customers (tenant, created_position) where is_vip;
create index idx_customers_merged_into on customers (tenant, merged_into, merged_position) where merged_into is not null;
create index idx_customer_tags on customer_tags (tenant, tag, created_position);
create index idx_customer_references on customer_references (tenant, system, reference);
create index idx_customer_users on customer_users (tenant, user_id);
create index idx_customer_words on customer_words (tenant, word, customer_id);
