-- Logins of analysts: which tenant's rows each may read. Nothing that a session can set has a say in it.

create table analyst_logins (
    login      name        not null primary key,
    tenant     int         not null unique,
    created_at timestamptz not null default clock_timestamp()
);
comment on table analyst_logins is 'The database login of each tenant''s analysts.';

-- By the name that was logged in with, which only a superuser could change.
create function analyst_tenant() returns int
    language sql stable security definer parallel safe set search_path = pg_catalog, public as
$$ select l.tenant from public.analyst_logins l where l.login = session_user $$;
comment on function analyst_tenant() is 'The tenant whose rows this session may read; none, unless an analyst logged in.';

revoke all on function analyst_tenant() from public;
grant execute on function analyst_tenant() to clientela_analyst;
