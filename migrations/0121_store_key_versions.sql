-- Keys have versions (ADR 30). The newest one of a purpose in key_checks is the one that is written with.
alter table key_checks
    add column created_at timestamptz not null default now(),
    add column closed_at timestamptz,
    add column retired_at timestamptz;
comment on column key_checks.closed_at is 'From then on no new row is written with this version.';
comment on column key_checks.retired_at is 'From then on no row needs this version.';
grant update (closed_at, retired_at) on key_checks to clientela_engine;

-- A node without the newer master key may go on until the rotation ends. After that its subjects could be read by nobody.
-- And who has sealed events has a key: were the row lost, a new key would part what belongs together.
create function refuse_subject_keys() returns trigger language plpgsql as $$
declare
    found record;
begin
    for found in
        select k.key_version from key_checks k
        where k.purpose = 'master' and k.closed_at is not null
          and exists (select from fresh f where f.master_version = k.key_version and f.wrapped_key is not null)
    loop
        raise exception 'master key % is out of use: give this node the newer one', found.key_version
            using errcode = 'CK001';
    end loop;
    for found in
        select f.tenant, f.subject_id from fresh f
        where f.wrapped_key is not null
          and exists (select from events e where e.stream = f.subject_id and e.tenant = f.tenant
                      and e.subject_id = f.subject_id and e.personal is not null)
        limit 1
    loop
        raise exception 'subject % of tenant % has sealed events, but its row in subject_keys is lost', found.subject_id, found.tenant
            using errcode = 'CK002';
    end loop;
    return null;
end $$;
create trigger subject_keys_are_readable after insert on subject_keys
    referencing new table as fresh for each statement execute function refuse_subject_keys();

-- Claims are taken under the newest key only: a node that does not know it would not see what others took.
create function refuse_claims() returns trigger language plpgsql as $$
begin
    if exists (select from fresh f
               where f.key_version < (select max(k.key_version) from key_checks k where k.purpose = 'claims')) then
        raise exception 'a newer claim key is in use: give it to this node' using errcode = 'CK003';
    end if;
    return null;
end $$;
create trigger claims_are_found after insert on claims
    referencing new table as fresh for each statement execute function refuse_claims();
