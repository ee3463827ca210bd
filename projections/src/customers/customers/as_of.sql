     , (select p.position from projection_positions p where p.projector = 'customers') as as_of
from customers c
