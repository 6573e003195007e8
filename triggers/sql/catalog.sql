-- What the live database looks like, read from the catalogs and never changed.

-- name: server
-- The server's version, and what the role may do in this database.
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user,
       current_database(), has_database_privilege(current_database(), 'CREATE'),
       to_regnamespace('rtp') IS NOT NULL,
       coalesce(has_schema_privilege(to_regnamespace('rtp'), 'USAGE, CREATE'), false)

-- name: has_time_zone
-- Whether the server knows a time zone by this name.
SELECT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower(%(name)s))

-- name: table
-- One table: its oid, what it is, and whether the role may put triggers on it and read it.
SELECT c.oid, c.relkind::text, has_table_privilege(c.oid, 'TRIGGER'), has_table_privilege(c.oid, 'SELECT'),
       has_schema_privilege(n.oid, 'USAGE')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')

-- name: columns
-- Its columns: each one's type and the type below all its domains, whether reading it may run a function of somebody who is no
-- superuser (a cast that the owner of a type has given it, or a domain's check), and whether it is computed only when it is read.
SELECT a.attname, a.atttypid::regtype::text, below.named::regtype::text, t.typtype = 'd' OR NOT below.is_trusted,
       a.attgenerated = 'v'
FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
CROSS JOIN LATERAL (
    WITH RECURSIVE part (oid, named, depth) AS (
        SELECT a.atttypid, a.atttypid, 0
        UNION ALL
        SELECT next.oid, CASE WHEN part.oid = part.named AND p.typtype = 'd' THEN next.oid ELSE part.named END, depth + 1
        FROM part JOIN pg_type AS p ON p.oid = part.oid
        CROSS JOIN LATERAL (
            SELECT CASE WHEN p.typtype = 'd' THEN p.typbasetype WHEN p.typcategory = 'A' THEN p.typelem ELSE 0 END AS oid
        ) AS next
        WHERE p.oid >= 16384 AND next.oid <> 0
    )
    SELECT (array_agg(part.named ORDER BY depth DESC))[1] AS named, bool_and(p.oid < 16384 OR r.rolsuper) AS is_trusted
    FROM part JOIN pg_type AS p ON p.oid = part.oid JOIN pg_roles AS r ON r.oid = p.typowner
) AS below
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped

-- name: unique_keys
-- The sets of columns that no two of its rows share.
SELECT array_agg(a.attname::text)
FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = %(oid)s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid

-- name: partitions
-- A partitioned table's partitions, at every level: a write to one of them fires only its own triggers.
SELECT n.nspname, c.relname
FROM pg_partition_tree(%(oid)s::oid) AS p
JOIN pg_class AS c ON c.oid = p.relid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE p.level > 0 AND c.relkind IN ('r', 'p')
ORDER BY 1, 2

-- name: installation
-- The version of rtp's schema, and of the functions in it.
SELECT schema_version, functions_md5 FROM rtp.installation

-- name: installed_triggers
-- Every trigger that calls one of rtp's functions, in whatever table it is.
SELECT n.nspname, c.relname, t.tgname, p.proname, t.tgenabled IN ('O', 'A')
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.pronamespace = to_regnamespace('rtp') AND NOT t.tgisinternal
ORDER BY 1, 2, 3

-- name: strangers
-- What somebody else keeps in the schema rtp. Partitions go with their table.
SELECT relname
FROM pg_class
WHERE relnamespace = to_regnamespace('rtp') AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relispartition
  AND relname <> ALL (%(own)s)
ORDER BY relname

-- name: installed_watches
-- The watches that are installed, with what they were compiled to and installed on. Before migration 7 none was sampled, and before
-- migration 8 nothing was noted of the table and the function: nor were there such columns.
SELECT w.id, w.name, w.settings, w.function_md5, w.rules, w.table_name, coalesce((w.row ->> 'is_sampled')::boolean, false),
       w.removed_at IS NOT NULL,
       CASE WHEN (w.row ->> 'noted_in')::oid = w.tableoid THEN (w.row ->> 'table_oid')::oid END,
       w.row -> 'column_types',
       coalesce(w.row ->> 'source_md5' <> coalesce(md5(f.prosrc), ''), false)
FROM (SELECT *, tableoid, to_jsonb(watch) AS row FROM rtp.watch) AS w
LEFT JOIN pg_proc AS f ON f.pronamespace = 'rtp'::regnamespace AND f.proname = 'watch_' || w.name AND f.pronargs = 0
ORDER BY w.id
