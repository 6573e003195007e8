-- The last samples of one entity in a history, the newest first: milliseconds of Unix time, and the value as text.
SELECT (extract(epoch FROM found.at) * 1000)::bigint, found.value
FROM (VALUES (%(chain)s::text, %(entity)s::text)) AS asked (chain, entity)
CROSS JOIN LATERAL (
    SELECT {at} AS at, {value} AS value FROM {table} AS r WHERE {chain} AND {entity} {newest} LIMIT %(limit)s::bigint
) AS found
WHERE isfinite(found.at)
