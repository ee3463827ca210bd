-- Forgetting persons. A person may be several subjects (a lead and the customer it became, two customers who turned out to be one):
-- links say so, in both directions. Who erases one erases all.
create table subject_links (
    tenant     int  not null,
    subject_id uuid not null,
    other_id   uuid not null,
    primary key (tenant, subject_id, other_id),
    check (subject_id <> other_id)
);
comment on table subject_links is 'Subjects that are the same person, both ways round. Written in the append that says so.';

-- Who was erased, with the signed receipt. Holds ids and facts in the clear, nothing that tells who it was.
create table erasures (
    tenant     int         not null,
    subject_id uuid        not null,
    position   bigint      not null,
    erased_at  timestamptz not null,
    receipt    text        not null,
    primary key (tenant, subject_id)
);
create index erasures_position on erasures (position);
comment on table erasures is 'Who was erased, with the signed receipt that says what was done and what had left before.';

grant select, insert on subject_links to clientela_engine;
grant select, insert on erasures to clientela_engine;
grant select on erasures to clientela_request;

do $$
declare t text;
begin
    foreach t in array array['subject_links', 'erasures'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy engine on %I to clientela_engine using (true) with check (true)', t);
    end loop;
end $$;
create policy request on erasures for select to clientela_request
    using (tenant = nullif(current_setting('app.tenant', true), '')::int);

-- Erased for good: no key comes back, and the memory of the erasure stays.
create function refuse_return_of_a_key() returns trigger language plpgsql as $$
begin
    raise exception 'subject % was erased: its key does not come back', old.subject_id using errcode = 'restrict_violation';
end $$;
create trigger erased_stays_erased before update on subject_keys
    for each row when (old.wrapped_key is null and new.wrapped_key is not null) execute function refuse_return_of_a_key();

-- Claims and snapshots of a person are looked for when it is erased.
create index snapshots_subject on snapshots (subject_id) where subject_id is not null;
