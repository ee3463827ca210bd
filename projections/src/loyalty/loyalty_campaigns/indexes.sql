create index idx_loyalty_campaigns_position on loyalty_campaigns (tenant, position desc);
create index idx_loyalty_campaign_members_account on loyalty_campaign_members (tenant, account);
