-- The Merkle tree over the log (store/src/merkle.rs): its full tiles, and the heads that were signed. Both are written once.

create table tree_tiles (
    level  smallint not null check (level between 0 and 7),
    tile   bigint   not null check (tile >= 0),
    hashes bytea    not null check (length(hashes) = 8192),
    primary key (level, tile)
);
alter table tree_tiles alter column hashes set storage external;
comment on table tree_tiles is 'Full tiles of 256 hashes, as C2SP tlog-tiles says. Level 0 holds the leaf hashes of the log a second time.';

create table tree_heads (
    size       bigint      not null primary key check (size > 0),
    root       bytea       not null check (length(root) = 32),
    checkpoint text        not null,
    signed_at  timestamptz not null default clock_timestamp()
);
comment on table tree_heads is 'Signed heads of the tree, as C2SP tlog-checkpoint says.';

create trigger tree_tiles_are_immutable before update or delete on tree_tiles
    for each row execute function refuse_change();
create trigger tree_tiles_are_not_truncated before truncate on tree_tiles
    for each statement execute function refuse_change();
create trigger tree_heads_are_immutable before update or delete on tree_heads
    for each row execute function refuse_change();
create trigger tree_heads_are_not_truncated before truncate on tree_heads
    for each statement execute function refuse_change();

grant select, insert on tree_tiles, tree_heads to clientela_engine;

do $$
declare t text;
begin
    foreach t in array array['tree_tiles', 'tree_heads'] loop
        execute format('alter table %I enable row level security', t);
        execute format('alter table %I force row level security', t);
        execute format('create policy engine on %I to clientela_engine using (true) with check (true)', t);
    end loop;
end $$;
