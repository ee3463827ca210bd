-- The key that signs for the log: its public half is what it is recognised by, and stays, so that what an older key signed can be
-- verified for ever.
alter table key_checks drop constraint key_checks_purpose_check;
alter table key_checks add constraint key_checks_purpose_check check (purpose in ('master', 'claims', 'log'));
alter table key_checks add column name text;
alter table key_checks add constraint key_checks_name_check check ((purpose = 'log') = (name is not null));
comment on column key_checks.name is 'Name of a log key: the origin of the heads that it signs. Its check_value is the public key.';
