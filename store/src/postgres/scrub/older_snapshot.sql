-- Who may still see what was removed before a transaction.
select who from (
    select format('the transaction of %s (process %s), open since %s,', coalesce(usename::text, backend_type), pid,
                  to_char(xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) as who,
           backend_xmin as oldest
    from pg_stat_activity
    where pid <> pg_backend_pid() and (datname is null or datname = current_database())
    union all
    select format('the replication slot %s', slot_name), xmin from pg_replication_slots
    union all
    select format('the prepared transaction %s', gid), transaction from pg_prepared_xacts
    where database = current_database()
) others
where oldest is not null and age(oldest) > age($1::xid)
order by age(oldest) desc
limit 1
