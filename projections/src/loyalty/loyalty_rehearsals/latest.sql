-- One row without a rehearsal says how far the projection is when there is none.
select r.tenant, r.rehearsal_id, r.rules, r.replayed, r.members, r.purchases, r.upgraded, r.downgraded, r.points,
       r.rehearsed_points, r.liabilities, r.rehearsed_liabilities, r.rehearsed_on, r.rehearsed_at, r.position, s.position as as_of
from projection_positions s
left join (select * from loyalty_rehearsals order by position desc limit $1) r on true
where s.projector = 'loyalty_rehearsals'
order by r.position desc
