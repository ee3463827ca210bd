-- Lines of credit that share a limit, as the events of their groups say.
create table credit_groups (
    group_id         uuid   not null primary key,
    tenant           int    not null,
    parent_id        uuid   not null,
    currency         text   not null,
    limit_minor      bigint not null,
    formed_on        date   not null,
    dissolved_on     date,
    created_position bigint not null,
    position         bigint not null
) with (fillfactor = 80);
comment on table credit_groups is 'One row per group of lines that share a limit, in minor units of its currency. What they take of it is the sum of exposure_minor of credit_group_members.';
comment on column credit_groups.group_id is 'The group.';
comment on column credit_groups.tenant is 'Whose business it is.';
comment on column credit_groups.parent_id is 'The customer that the others belong to.';
comment on column credit_groups.currency is 'Currency of the limit and of the lines.';
comment on column credit_groups.limit_minor is 'What all may use together.';
comment on column credit_groups.formed_on is 'Business date on which it was formed.';
comment on column credit_groups.dissolved_on is 'Business date on which it was dissolved.';
comment on column credit_groups.created_position is 'Position of its first event: the order in which groups are listed.';
comment on column credit_groups.position is 'Position of the last event that changed the group itself.';
create table credit_group_members (
    group_id       uuid   not null,
    line_id        uuid   not null,
    tenant         int    not null,
    customer_id    uuid   not null,
    currency       text   not null,
    exposure_minor bigint not null,
    joined_on      date   not null,
    left_on        date,
    position       bigint not null,
    primary key (group_id, line_id)
) with (fillfactor = 80);
comment on table credit_group_members is 'One row per line that shares the limit of a group, or did.';
comment on column credit_group_members.group_id is 'The group.';
comment on column credit_group_members.line_id is 'The line.';
comment on column credit_group_members.tenant is 'Whose business it is.';
comment on column credit_group_members.customer_id is 'Whose line it is.';
comment on column credit_group_members.currency is 'Currency of the line.';
comment on column credit_group_members.exposure_minor is 'What it takes of the limit; nothing once it has left.';
comment on column credit_group_members.joined_on is 'Business date on which it joined last.';
comment on column credit_group_members.left_on is 'Business date on which it left. Null: it is a member.';
comment on column credit_group_members.position is 'Position of its last event.';
