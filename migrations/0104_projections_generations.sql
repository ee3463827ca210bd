-- From here on the tables of read models live in schemas of generations, made by the program beside this schema (read_models has
-- the views). What was there before can be made again from the log, and is.
drop table if exists customers, customer_references, loyalty_balances, tenants, api_keys;
delete from projection_checkpoints;
delete from projection_failures;
delete from projection_generations;

alter table projection_generations add column ready_at timestamptz, add column retired_at timestamptz;
comment on column projection_generations.ready_at is 'When its tables had their indexes and walls; before, they are being loaded.';
comment on column projection_generations.retired_at is 'When another generation took its place.';
