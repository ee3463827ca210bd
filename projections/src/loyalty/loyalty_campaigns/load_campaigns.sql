select c.* from loyalty_campaigns c join unnest($1::int[], $2::uuid[]) as wanted (tenant, campaign_id) using (tenant, campaign_id)
