-- The four roles of the database, and the one that the logins of analysts are members of. None is superuser, none passes row-level security by. Run by whoever may create
-- roles, before the first migration; harmless afterwards.
do $$
declare r text;
begin
    foreach r in array array['clientela_owner', 'clientela_request', 'clientela_engine', 'clientela_rebuild'] loop
        begin
            if not exists (select 1 from pg_roles where rolname = r) then
                execute format('create role %I login nosuperuser nobypassrls nocreatedb nocreaterole noinherit', r);
            end if;
        exception when duplicate_object or unique_violation then null; -- another database of the cluster was faster
        end;
    end loop;
    begin
        if not exists (select 1 from pg_roles where rolname = 'clientela_analyst') then
            create role clientela_analyst nologin nosuperuser nobypassrls nocreatedb nocreaterole noinherit;
        end if;
    exception when duplicate_object or unique_violation then null;
    end;
    -- An analyst's session writes nothing at all.
    execute format('revoke temporary on database %I from public', current_database());
    execute format('grant connect on database %I to clientela_analyst', current_database());
    execute format('grant create, temporary, connect on database %I to clientela_owner, clientela_rebuild', current_database());
    execute format('grant connect on database %I to clientela_request, clientela_engine', current_database());
    revoke create on schema public from public;
    grant usage, create on schema public to clientela_owner;
    grant usage on schema public to clientela_request, clientela_engine, clientela_rebuild, clientela_analyst;
end $$;
