create index idx_api_keys_tenant on api_keys (tenant);
