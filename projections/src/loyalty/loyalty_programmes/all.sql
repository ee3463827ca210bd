-- One row without a version says how far the projection is when there is none.
select p.tenant, p.version, p.from_on, p.rules, p.rehearsal_id, p.published_on, p.published_at, p.position, s.position as as_of
from projection_positions s
left join loyalty_programmes p on true
where s.projector = 'loyalty_programmes'
order by p.version
