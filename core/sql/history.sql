-- A table of past samples, read for a backtest and never changed.

-- name: read_history
-- Every sample by time, as text, so that no type loses a digit. A time before all years is null, and so last; one beyond them is
-- what rtp.sane_time makes of it.
SELECT {chain}::text, {entity}::text, {value}::text, {source}::text, moment.at
FROM {table}
CROSS JOIN LATERAL (
    SELECT CASE WHEN {at} >= '9999-12-31 00:00:00+00' THEN '9999-12-30 00:00:00+00'
                WHEN {at} >= '0001-01-02 00:00:00+00' THEN {at} END
) AS moment (at)
ORDER BY moment.at

-- name: newest
-- So many of a table's newest rows, of all entities or of some, in place of the table: in an order that an index on the time has.
(SELECT * FROM {table} WHERE {time} IS NOT NULL AND {is_asked} ORDER BY {time} DESC LIMIT {limit}) AS newest

-- name: column_type
-- The type of a column of a table or view; of a domain, the type below it.
SELECT format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL)
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass(%(table)s) AND a.attname = %(column)s

-- name: estimate
-- About how many rows a table has, as the planner believes; 0 where it has no idea.
SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%(table)s)
