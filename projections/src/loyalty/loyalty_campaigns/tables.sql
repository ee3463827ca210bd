-- The campaigns of loyalty programmes, and what they gave, as the events say.
create table loyalty_campaigns (
    tenant            int    not null,
    campaign_id       uuid   not null,
    name              text   not null,
    version           int    not null,
    from_on           date   not null,
    until_on          date,
    over_from         date,
    orders            bigint not null,
    points_given      bigint not null,
    points_taken_back bigint not null,
    position          bigint not null,
    primary key (tenant, campaign_id)
) with (fillfactor = 80);
comment on table loyalty_campaigns is 'One row per campaign: its last version, and what it gave so far.';
comment on column loyalty_campaigns.tenant is 'Whose campaign.';
comment on column loyalty_campaigns.campaign_id is 'The campaign.';
comment on column loyalty_campaigns.name is 'What its last version calls it.';
comment on column loyalty_campaigns.version is 'The number of that version.';
comment on column loyalty_campaigns.from_on is 'The first business date for which that version holds; before it, earlier versions do.';
comment on column loyalty_campaigns.until_on is 'The last business date on which that version gives anything; null: until the campaign is ended.';
comment on column loyalty_campaigns.over_from is 'The first business date on which the campaign gives nothing any more, because it was ended.';
comment on column loyalty_campaigns.orders is 'With how many orders it gave points, orders that were given back later among them.';
comment on column loyalty_campaigns.points_given is 'How many points, pending ones among them, before the caps of the programme may have cut them.';
comment on column loyalty_campaigns.points_taken_back is 'How many of them were taken back because orders were given back.';
comment on column loyalty_campaigns.position is 'Position of the event by which it was published first.';
create table loyalty_campaign_versions (
    tenant       int         not null,
    campaign_id  uuid        not null,
    version      int         not null,
    name         text        not null,
    from_on      date        not null,
    until_on     date,
    rules        jsonb       not null,
    published_on date        not null,
    published_at timestamptz not null,
    position     bigint      not null,
    primary key (tenant, campaign_id, version)
);
comment on table loyalty_campaign_versions is 'One row per version of a campaign. Of a business date the highest version holds whose from_on has come; it gives nothing behind its until_on.';
comment on column loyalty_campaign_versions.tenant is 'Whose campaign.';
comment on column loyalty_campaign_versions.campaign_id is 'The campaign.';
comment on column loyalty_campaign_versions.version is 'The number of the version, from one.';
comment on column loyalty_campaign_versions.name is 'What it is called.';
comment on column loyalty_campaign_versions.from_on is 'The first business date for which it holds.';
comment on column loyalty_campaign_versions.until_on is 'The last business date on which it gives anything; null: until the campaign is ended.';
comment on column loyalty_campaign_versions.rules is 'For which purchases it is and what it gives: {categories, products, channels, tiers, minimum_amount, multiplier_percent, bonus_points, points_per_article, caps}.';
comment on column loyalty_campaign_versions.published_on is 'Business date of the publication.';
comment on column loyalty_campaign_versions.published_at is 'When that was.';
comment on column loyalty_campaign_versions.position is 'Position of the event.';
create table loyalty_campaign_members (
    tenant            int    not null,
    campaign_id       uuid   not null,
    account           uuid   not null,
    orders            bigint not null,
    points_given      bigint not null,
    points_taken_back bigint not null,
    position          bigint not null,
    primary key (tenant, campaign_id, account)
) with (fillfactor = 80);
comment on table loyalty_campaign_members is 'One row per campaign and account to which it gave points.';
comment on column loyalty_campaign_members.tenant is 'Whose campaign.';
comment on column loyalty_campaign_members.campaign_id is 'The campaign.';
comment on column loyalty_campaign_members.account is 'The loyalty account; it has the id of its customer. After a merge each of both has what it was given itself; what is taken back is counted where the order is given back.';
comment on column loyalty_campaign_members.orders is 'With how many orders it gave points.';
comment on column loyalty_campaign_members.points_given is 'How many points, before the caps of the programme.';
comment on column loyalty_campaign_members.points_taken_back is 'How many of them were taken back because orders were given back.';
comment on column loyalty_campaign_members.position is 'Position of the last event that counted.';
