-- What the watched tables hold now, for the cache.

-- name: column_types
-- The columns of a table, and their types.
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped

-- name: current
-- The value of each of some entities, and the time at which the question arrived: what was committed by then is in the
-- answer. An index on the columns of chain and entity (and time, in a history) makes each a look-up.
SELECT asked.chain, asked.entity, found.value,
       to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM unnest(%(chains)s::text[], %(entities)s::text[]) AS asked (chain, entity)
CROSS JOIN LATERAL (SELECT {value} AS value FROM {table} AS r WHERE {chain} AND {entity} {newest} LIMIT 1) AS found

-- name: known
-- The entities of some watches, those that were reported last first.
SELECT b.chain, b.entity FROM rtp.baseline AS b JOIN rtp.watch AS w ON w.id = b.watch
WHERE w.name = ANY (%(watches)s) AND w.removed_at IS NULL
ORDER BY b.reported_at DESC LIMIT %(limit)s

-- name: now
-- The database's clock, as entries carry it.
SELECT to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
