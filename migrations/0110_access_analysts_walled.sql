-- As every table with a tenant: closed to whoever is not named here, its owner too.
alter table analyst_logins enable row level security, force row level security;
create policy owner on analyst_logins to clientela_owner using (true) with check (true);
