-- What a database holds, looked at for what could be watched: catalogs, statistics and a few rows. Nothing waits for anybody's lock
-- for long, and nothing is changed.

-- name: database
-- Its name, the role, the time zone of a session that names none, the clock, and since when PostgreSQL counts what is written.
-- Counters that nobody has reset begin with the server, or with its last crash.
SELECT current_database() AS name, current_user AS role,
       (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS zone, clock_timestamp() AS now,
       coalesce((SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
                (SELECT least(a.stats_reset, b.stats_reset) FROM pg_stat_archiver AS a, pg_stat_bgwriter AS b)) AS counted_since

-- name: tables
-- Every table of the user's that is no partition, with its partitions, and all that can be read like one: whether the role may read
-- it, and whether row level security hides rows of it; about how many rows and bytes it has (null: nobody has counted), and what was written to it since then.
SELECT c.oid, n.nspname AS schema, c.relname AS name,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
       row_security_active(c.oid) AS is_filtered,
       p.partitions, p.rows, p.bytes, p.inserted, p.updated, c.relkind::text AS relkind
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE part.relkind = 'r' AND part.oid <> c.oid) AS partitions,
           CASE WHEN max(part.reltuples) >= 0 THEN sum(greatest(part.reltuples, 0))::bigint END AS rows,
           sum(part.relpages::bigint * current_setting('block_size')::bigint)::bigint AS bytes,
           sum(pg_stat_get_tuples_inserted(part.oid))::bigint AS inserted,
           sum(pg_stat_get_tuples_updated(part.oid))::bigint AS updated
    FROM (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) AS tree (oid)
    JOIN pg_class AS part ON part.oid = tree.oid AND part.relkind = 'r'
) AS p
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'rtp') AND n.nspname NOT LIKE 'pg\_toast%%'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  AND (%(schemas)s::text[] IS NULL OR n.nspname = ANY (%(schemas)s))
  AND (%(tables)s::text[] IS NULL OR n.nspname || '.' || c.relname = ANY (%(tables)s)
       OR (n.nspname = 'public' AND c.relname = ANY (%(tables)s)))
ORDER BY 2, 3

-- name: columns
-- The columns of these tables: the type below all domains, whether its values are words (texts and enumerations), and whether its
-- text may be had without a function of somebody who is no superuser, and without computing it.
WITH RECURSIVE below (oid, type, depth) AS (
    SELECT t.oid, t.oid, 0 FROM pg_type AS t
    WHERE t.oid IN (SELECT atttypid FROM pg_attribute WHERE attrelid = ANY (%(oids)s))
    UNION ALL
    SELECT below.oid, t.typbasetype, depth + 1 FROM below JOIN pg_type AS t ON t.oid = below.type WHERE t.typtype = 'd'
)
SELECT a.attrelid AS table, a.attname AS name, base.oid::regtype::text AS type,
       base.typcategory IN ('S', 'E') AS is_text,
       (base.oid < 16384 OR base.typtype = 'e' OR owner.rolsuper) AND a.attgenerated <> 'v' AS is_readable
FROM pg_attribute AS a
JOIN LATERAL (SELECT type FROM below WHERE below.oid = a.atttypid ORDER BY depth DESC LIMIT 1) AS found ON true
JOIN pg_type AS base ON base.oid = found.type
JOIN pg_roles AS owner ON owner.oid = base.typowner
WHERE a.attrelid = ANY (%(oids)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum

-- name: unique_keys
-- The sets of columns that no two rows of a table share.
SELECT i.indrelid AS table, array_agg(a.attname::text) AS columns
FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = ANY (%(oids)s) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indrelid, i.indexrelid

-- name: some_rows
-- The first rows of a table.
SELECT {columns} FROM {table} LIMIT {limit}

-- name: sampled_rows
-- Rows from some of a large table's pages.
SELECT {columns} FROM {table} TABLESAMPLE SYSTEM ({percent}) LIMIT {limit}

-- name: newest
-- The newest time of a column, as the text that it is; of one with a zone, in UTC.
SELECT max({column})::text FROM {table} WHERE {column} < 'infinity'
