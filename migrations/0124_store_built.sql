-- How far the tree stood when a head was signed: tiles below are never taken away, so one of them that is missing was.

alter table tree_heads add column built bigint check (built >= 0);
comment on column tree_heads.built is 'How many events were in full tiles when this head was signed; null: it was signed before this was kept.';
