create index idx_loyalty_balances_tier on loyalty_balances (tenant, tier);
