create index idx_customer_timeline_customer on customer_timeline (tenant, customer_id, position desc);
