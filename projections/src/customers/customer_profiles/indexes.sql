create index idx_customer_contacts_normalized on customer_contacts (tenant, kind, normalized);
create index idx_customer_documents_number on customer_documents (tenant, number);
create index idx_customer_addresses_customer on customer_addresses (customer_id);
