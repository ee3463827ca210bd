select p.position as as_of, c.campaign_id, c.over_from, c.orders, c.points_given, c.points_taken_back,
       v.version, v.name, v.from_on, v.until_on, v.rules, v.published_on, (
    select count(*) from loyalty_campaign_members m where m.campaign_id = c.campaign_id and m.orders > 0
) as members, (
    select jsonb_agg(to_jsonb(k) order by k.version) from loyalty_campaign_versions k where k.campaign_id = c.campaign_id
) as versions
from projection_positions p
join loyalty_campaigns c on c.campaign_id = $1
join loyalty_campaign_versions v on v.campaign_id = c.campaign_id and v.version = c.version
where p.projector = 'loyalty_campaigns'
