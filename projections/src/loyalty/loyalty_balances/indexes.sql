create index idx_loyalty_balances_tier on loyalty_balances (tenant, tier, account);
create index idx_loyalty_balances_expiry on loyalty_balances (tenant, next_expiry_on, account) where next_expiry_on is not null;
create index idx_loyalty_balances_vest on loyalty_balances (tenant, next_vest_on, account) where next_vest_on is not null;
create index idx_loyalty_balances_lapse on loyalty_balances (tenant, next_lapse_at, account) where next_lapse_at is not null;
create index idx_loyalty_balances_review on loyalty_balances (tenant, review_on, account) where review_on is not null;
