-- A table of past samples, read for a backtest and never changed.

-- name: read_history
-- Every sample by time, as text, so that no type loses a digit. A time that no reader can hold is null, and so last.
SELECT {chain}::text, {entity}::text, {value}::text, moment.at
FROM {table}
CROSS JOIN LATERAL (
    SELECT CASE WHEN {at}::timestamptz >= '0001-01-02 00:00:00+00' AND {at}::timestamptz < '9999-12-31 00:00:00+00'
                THEN {at}::timestamptz END
) AS moment (at)
ORDER BY moment.at

-- name: estimate
-- About how many rows a table has, as the planner believes; 0 where it has no idea.
SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%(table)s)
