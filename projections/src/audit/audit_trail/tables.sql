-- Who caused which event, as the log says.
create table audit_trail (
    tenant         int         not null,
    position       bigint      not null,
    event_type     text        not null,
    category       text        not null,
    stream         text        not null,
    version        int         not null,
    customer_id    uuid,
    actor          text        not null,
    request_id     text,
    correlation_id text,
    causation_id   text,
    via            text,
    order_id       text,
    occurred_at    timestamptz not null,
    recorded_at    timestamptz not null,
    primary key (tenant, position)
);
comment on table audit_trail is 'One row per event of any type. A row never changes.';
comment on column audit_trail.tenant is 'Whose event.';
comment on column audit_trail.position is 'Position of the event; of one tenant at most.';
comment on column audit_trail.event_type is 'Wire name of the event.';
comment on column audit_trail.category is 'Kind of the stream.';
comment on column audit_trail.stream is 'The stream: category and id.';
comment on column audit_trail.version is 'Version of the event in its stream; stream/version is the id of the event.';
comment on column audit_trail.customer_id is 'On whose timeline it stands.';
comment on column audit_trail.actor is 'Who acted: key:<id>, job:<name>, cli and the like. Never a name of a person.';
comment on column audit_trail.request_id is 'Id of the request that carried the command.';
comment on column audit_trail.correlation_id is 'Id shared by all that one outside occasion set off: of a trace, or of the run of a job.';
comment on column audit_trail.causation_id is 'Id of the event that it follows from.';
comment on column audit_trail.via is 'The door that the command came in by: http, cli, import, reactor, job; none where doors were not noted yet.';
comment on column audit_trail.order_id is 'The order that it is about.';
comment on column audit_trail.occurred_at is 'Business time.';
comment on column audit_trail.recorded_at is 'When it was written into the log.';
