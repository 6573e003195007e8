-- The value of each of some entities, and the time at which the question arrived: what was committed by then is in the
-- answer. An index on the columns of chain and entity (and time, in a history) makes each a look-up.
-- What texts of names, floats and times look like must not depend on the role's settings: rtp's triggers fix the same. Here they hold
-- until the statement's end, and come first, as whom to ask for depends on them.
SELECT asked.chain, asked.entity, found.value,
       to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
FROM (
    SELECT set_config('DateStyle', 'ISO, MDY', true) || set_config('IntervalStyle', 'postgres', true)
        || set_config('TimeZone', 'UTC', true) || set_config('bytea_output', 'hex', true)
        || set_config('extra_float_digits', '1', true) AS done
    OFFSET 0
) AS own
CROSS JOIN LATERAL unnest(CASE WHEN own.done <> '' THEN %(chains)s::text[] END, %(entities)s::text[]) AS asked (chain, entity)
CROSS JOIN LATERAL (SELECT {value} AS value FROM {table} AS r WHERE {chain} AND {entity} {newest} LIMIT 1) AS found
