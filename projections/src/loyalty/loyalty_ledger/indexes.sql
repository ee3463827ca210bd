create index idx_loyalty_ledger_position on loyalty_ledger (tenant, position);
create index idx_loyalty_ledger_account on loyalty_ledger (tenant, account, position desc);
