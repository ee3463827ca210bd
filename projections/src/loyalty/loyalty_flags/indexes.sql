create index idx_loyalty_flags_position on loyalty_flags (tenant, position desc);
