select least(pc.position, pp.position) as as_of,
       case when pc.position <= pp.position then c.version end as stream_version, t.*
from customers c
join projection_positions pc on pc.projector = 'customers'
join projection_positions pp on pp.projector = 'customer_profiles'
