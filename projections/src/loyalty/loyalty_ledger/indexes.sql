create index idx_loyalty_ledger_account on loyalty_ledger (tenant, account, position desc);
