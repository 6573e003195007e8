-- The value of each of some entities, and the time at which the question arrived: what was committed by then is in the
-- answer. An index on the columns of chain and entity (and time, in a history) makes each a look-up.
SELECT asked.chain, asked.entity, found.value,
       to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM unnest(%(chains)s::text[], %(entities)s::text[]) AS asked (chain, entity)
CROSS JOIN LATERAL (SELECT {value} AS value FROM {table} AS r WHERE {chain} AND {entity} {newest} LIMIT 1) AS found
