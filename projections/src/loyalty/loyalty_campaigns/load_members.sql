select m.*
from loyalty_campaign_members m
join unnest($1::int[], $2::uuid[], $3::uuid[]) as wanted (tenant, campaign_id, account) using (tenant, campaign_id, account)
