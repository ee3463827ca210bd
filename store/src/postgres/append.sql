insert into events (position, tenant, category, type, schema_version, stream, version, command_id, once_id, subject_id,
                    customer_id, occurred_at, recorded_at, metadata, payload, personal, leaf_hash)
select r.position, r.tenant, r.category, r.type, r.schema_version, r.stream, r.version, r.command_id, r.once_id,
       r.subject_id, r.customer_id, r.occurred_at, $12, r.metadata, r.payload, r.personal, r.leaf_hash
from unnest($1::int8[], $2::int4[], $3::int2[], $4::int2[], $5::int2[], $6::uuid[], $7::int4[], $8::uuid[], $9::uuid[],
            $10::uuid[], $11::uuid[], $13::timestamptz[], $14::text[], $15::text[], $16::bytea[], $17::bytea[])
     as r(position, tenant, category, type, schema_version, stream, version, command_id, once_id, subject_id,
          customer_id, occurred_at, metadata, payload, personal, leaf_hash)
