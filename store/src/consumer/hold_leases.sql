-- Renews what this node holds and takes what is free. A lease that ends implausibly late was written under another
-- clock: it counts as free, else a clock set back by an hour would stop the consumer for an hour.
insert into leases (consumer, owner, epoch, expires_at)
select name, $2, 1, clock_timestamp() + make_interval(secs => $3)
from unnest($1::text[]) as wanted (name)
order by name
on conflict (consumer) do update
set owner = excluded.owner,
    epoch = leases.epoch + case when leases.owner = excluded.owner then 0 else 1 end,
    expires_at = excluded.expires_at
where leases.owner = excluded.owner
   or leases.expires_at not between clock_timestamp() and clock_timestamp() + make_interval(secs => 2 * $3)
returning consumer, epoch
