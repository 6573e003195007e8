-- What the live database looks like, read from the catalogs and never changed.

-- name: server
-- The server's version, the role, and whose the schema rtp and what is in it are; nulls where there is none.
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_user, current_database(),
       r.rolsuper, pg_get_userbyid(n.nspowner), pg_has_role(n.nspowner, 'USAGE'),
       pg_get_userbyid(i.relowner), pg_has_role(i.relowner, 'USAGE')
FROM pg_roles AS r
LEFT JOIN pg_namespace AS n ON n.nspname = 'rtp'
LEFT JOIN pg_class AS i ON i.relnamespace = n.oid AND i.relname = 'installation' AND i.relkind = 'r'
WHERE r.rolname = current_user

-- name: has_time_zone
-- Whether the server knows a time zone by this name.
SELECT EXISTS (SELECT FROM pg_timezone_names WHERE lower(name) = lower(%(name)s))

-- name: tables
-- Those tables that are there: the place of each among what is asked for, its oid, and what it is.
SELECT w.place, c.oid, c.relkind::text
FROM unnest(%(schemas)s::name[], %(tables)s::name[]) WITH ORDINALITY AS w (schema, name, place)
JOIN pg_namespace AS n ON n.nspname = w.schema
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
ORDER BY w.place

-- name: columns
-- The columns of some tables: each one's table, its type and the type below all its domains, whether reading it may run a function
-- of somebody who is no superuser (a cast that the owner of a type has given it, or a domain's check), and whether it is computed
-- only when it is read.
SELECT a.attrelid, a.attname, a.atttypid::regtype::text, below.named::regtype::text, t.typtype = 'd' OR NOT below.is_trusted,
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
WHERE a.attrelid = ANY (%(oids)s::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum

-- name: unique_keys
-- The sets of columns that no two rows of a table share; and whether that is looked at for each row, and not only at the end.
SELECT i.indrelid, array_agg(a.attname::text), i.indimmediate
FROM pg_index AS i
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1])
WHERE i.indrelid = ANY (%(oids)s::oid[]) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indrelid, i.indexrelid, i.indimmediate

-- name: partitions
-- A partitioned table's partitions, at every level: a write to one of them fires only its own triggers. And whether the role may
-- read each by itself; through the table it may in any case.
SELECT n.nspname, c.relname, has_table_privilege(c.oid, 'SELECT')
FROM pg_partition_tree(%(oid)s::oid) AS p
JOIN pg_class AS c ON c.oid = p.relid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE p.level > 0 AND c.relkind IN ('r', 'p')
ORDER BY 1, 2

-- name: rights
-- What a role needs to install triggers on some tables and to read them and others, in the order in which to grant it: each privilege,
-- on what and whose that is, for which table, and whether the role has it. A role that is not there yet has nothing.
WITH role AS (
    SELECT (SELECT oid FROM pg_roles WHERE rolname = %(role)s::text) AS oid
), part AS (
    SELECT DISTINCT ON (c.oid) c.oid, c.relname, c.relowner, c.relnamespace, w.name AS watched,
           w.has_triggers, p.level IS NOT NULL AND p.level > 0 AS is_part
    FROM unnest(%(oids)s::oid[], %(names)s::text[], %(have_triggers)s::bool[]) AS w (oid, name, has_triggers)
    LEFT JOIN LATERAL pg_partition_tree(CASE WHEN w.has_triggers THEN w.oid END) AS p ON true
    JOIN pg_class AS c ON c.oid = coalesce(p.relid, w.oid)
    WHERE c.relkind IN ('r', 'p')
    ORDER BY c.oid, w.has_triggers DESC, is_part
), need (rank, privilege, kind, schema, name, owner, watched, granted) AS (
    SELECT 1, 'CREATE', 'DATABASE', NULL, d.datname, d.datdba, NULL,
           has_database_privilege(role.oid, d.oid, 'CREATE')
    FROM role, pg_database AS d
    WHERE d.datname = current_database() AND to_regnamespace('rtp') IS NULL
    UNION ALL
    SELECT 2, p.privilege, 'SCHEMA', NULL, n.nspname, n.nspowner, NULL, has_schema_privilege(role.oid, n.oid, p.privilege)
    FROM role, pg_namespace AS n, (VALUES ('USAGE'), ('CREATE')) AS p (privilege)
    WHERE n.nspname = 'rtp'
    UNION ALL
    SELECT 3, 'USAGE', 'LANGUAGE', NULL, l.lanname, l.lanowner, NULL, has_language_privilege(role.oid, l.oid, 'USAGE')
    FROM role, pg_language AS l
    WHERE l.lanname IN ('plpgsql', 'sql') AND NOT coalesce(has_language_privilege(role.oid, l.oid, 'USAGE'), true)
    UNION ALL
    SELECT 4, 'USAGE', 'SCHEMA', NULL, n.nspname, n.nspowner, min(part.watched), has_schema_privilege(role.oid, n.oid, 'USAGE')
    FROM role, part JOIN pg_namespace AS n ON n.oid = part.relnamespace
    GROUP BY role.oid, n.oid, n.nspname, n.nspowner
    UNION ALL
    SELECT 5, p.privilege, 'TABLE', n.nspname, part.relname, part.relowner, part.watched,
           has_table_privilege(role.oid, part.oid, p.privilege)
    FROM role, part JOIN pg_namespace AS n ON n.oid = part.relnamespace, (VALUES ('SELECT'), ('TRIGGER')) AS p (privilege)
    -- A partition is read through its table.
    WHERE CASE p.privilege WHEN 'TRIGGER' THEN part.has_triggers ELSE NOT part.is_part END
)
SELECT privilege, kind, schema, name, pg_get_userbyid(owner), watched, coalesce(granted, false)
FROM need
ORDER BY rank, watched, schema, name, privilege

-- name: installation
-- The version of rtp's schema, and of the functions in it. There must be such a table.
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
       coalesce(w.row ->> 'source_md5' <> coalesce(md5(f.prosrc), ''), false), w.row ->> 'missed_since' IS NOT NULL
FROM (SELECT *, tableoid, to_jsonb(watch) AS row FROM rtp.watch) AS w
LEFT JOIN pg_proc AS f ON f.pronamespace = 'rtp'::regnamespace AND f.proname = 'watch_' || w.name AND f.pronargs = 0
ORDER BY w.id

-- name: is_amid_a_piece
-- Whether the judge is within a stretch of a watch's samples that it judges in the order of their names (core/judging/backlog.py).
SELECT EXISTS (SELECT FROM rtp.judge_cursor WHERE watch = %(watch)s AND piece_end IS NOT NULL)

-- name: stronger
-- What the role may do that a table's owner may not; no row where there is nothing.
SELECT pg_get_userbyid(c.relowner), array_agg(power.name ORDER BY power.name)
FROM pg_class AS c
JOIN pg_roles AS owner ON owner.oid = c.relowner
JOIN pg_roles AS own ON own.rolname = current_user
CROSS JOIN LATERAL (
    SELECT 'SUPERUSER' WHERE own.rolsuper
    UNION ALL
    SELECT r.rolname FROM pg_roles AS r
    WHERE r.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program', 'pg_read_server_files',
                        'pg_write_server_files')
      AND NOT own.rolsuper AND pg_has_role(own.oid, r.oid, 'USAGE') AND NOT pg_has_role(owner.oid, r.oid, 'USAGE')
) AS power (name)
WHERE c.oid = %(oid)s AND NOT owner.rolsuper
GROUP BY c.relowner

-- name: role
-- Whether there is such a role.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s::text)

-- name: own_objects
-- What rtp has made in its schema, where the schema is somebody else's: the commands that remove it, in order.
SELECT format('DROP TABLE IF EXISTS rtp.%I CASCADE', relname) FROM pg_class
WHERE relnamespace = to_regnamespace('rtp') AND relkind IN ('r', 'p') AND NOT relispartition
UNION ALL
SELECT format('DROP SEQUENCE IF EXISTS rtp.%I CASCADE', relname) FROM pg_class AS c
WHERE relnamespace = to_regnamespace('rtp') AND relkind = 'S'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i'))
UNION ALL
SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_proc
WHERE pronamespace = to_regnamespace('rtp')
UNION ALL
SELECT format('DROP TYPE IF EXISTS rtp.%I CASCADE', typname) FROM pg_type
WHERE typnamespace = to_regnamespace('rtp') AND typtype IN ('e', 'd')

-- name: size
-- About how many rows a table has, as the planner believes (null: nobody has counted), and its bytes, those of its partitions included.
SELECT CASE WHEN sum(c.reltuples) FILTER (WHERE c.relkind = 'r') >= 0 THEN (sum(c.reltuples) FILTER (WHERE c.relkind = 'r'))::bigint END,
       sum(pg_total_relation_size(c.oid))::bigint
FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN LATERAL pg_partition_tree(t.oid) AS p ON true
JOIN pg_class AS c ON c.oid = coalesce(p.relid, t.oid)
WHERE n.nspname || '.' || t.relname = %(table)s
