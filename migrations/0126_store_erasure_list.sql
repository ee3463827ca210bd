-- The list of erasures is followed by number: numbers are given one after the other under a lock, so who has seen one has seen all before it.
-- Positions would not do: a receipt is written some time after its event, and those of a log that was lost mean nothing in the one restored.
alter table erasures add column number bigint generated always as identity;
create unique index erasures_number on erasures (number);
comment on column erasures.position is 'Position of the event in the log of then; a restored log may hold another event there.';

-- Who had been erased and was erased once more, because an older backup brought the person back. The first receipt stays where it is.
create table erasures_again (
    tenant     int         not null,
    subject_id uuid        not null,
    position   bigint      not null,
    erased_at  timestamptz not null,
    receipt    text        not null,
    primary key (tenant, subject_id, position)
);
comment on table erasures_again is 'Who was erased once more after an older backup was restored, with the signed receipt of that.';

grant select, insert on erasures_again to clientela_engine;
alter table erasures_again enable row level security;
alter table erasures_again force row level security;
create policy engine on erasures_again to clientela_engine using (true) with check (true);

-- Erasures without a receipt are looked for among the persons without a key, who are few.
create index subject_keys_erased on subject_keys (erased_at) where wrapped_key is null;
