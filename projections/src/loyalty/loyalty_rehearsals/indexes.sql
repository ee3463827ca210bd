create index idx_loyalty_rehearsals_position on loyalty_rehearsals (tenant, position desc);
