-- Is every installed watch armed: does each write to its table reach rtp's trigger? Asked of the catalogs alone, which takes no lock
-- on anybody's table: somebody who rebuilds one keeps it locked for as long as that takes, and is not to hold this up.

-- name: plan_once
-- For a session that asks every few seconds: making the plan takes three times as long as running it.
SELECT set_config(name, value, false)
FROM (VALUES ('plan_cache_mode', 'force_generic_plan'), ('jit', 'off')) AS s (name, value)

-- name: note_missed
-- Have the next installation judge what the tables of these watches hold. Who is just being installed is left out: that sees to it.
UPDATE rtp.watch SET missed_since = clock_timestamp()
WHERE id IN (
    SELECT id FROM rtp.watch WHERE name = ANY (%(watches)s) AND removed_at IS NULL AND missed_since IS NULL
    FOR NO KEY UPDATE SKIP LOCKED
)

-- name: obstacles
-- What is wrong with a table itself: `w` has its oid, the role that reads it, and the tables that are watched; `d.oids` are the table
-- and all that inherit from it.
--   hidden        row level security hides rows from the role. A permissive policy of all rows is none that does (its condition is
--                 looked at as it is stored: to have it spelled out would take a lock on the table)
--   unreadable    the role may not read it
--   subscribed    a subscription fills it, and fires no statement triggers
--   inherited     what is written to an inheriting table fires no trigger of this one, nor does what is written through its parent
--                 (`below`) fire this one's, unless the other is watched, too
--   remote        a partition that is a foreign table is written elsewhere
--   silenced      writers of a role, or of the whole database, have session_replication_role = replica, and fire but triggers that
--                 are enabled always
SELECT 'hidden' AS what, n.nspname || '.' || c.relname AS place, ARRAY[pg_get_userbyid(w.role)::text] AS details
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = w.table_oid AND c.relrowsecurity
  AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.oid = w.role AND (r.rolsuper OR r.rolbypassrls))
  AND (c.relforcerowsecurity OR NOT pg_has_role(w.role, c.relowner, 'USAGE'))
  AND (
      SELECT coalesce(bool_or(p.shows_all) FILTER (WHERE p.polpermissive), false)
             AND coalesce(bool_and(p.shows_all) FILTER (WHERE NOT p.polpermissive), true)
      FROM (
          SELECT polpermissive,
                 polqual IS NULL OR polqual::text LIKE '{CONST :consttype 16 %%:constisnull false %%:constvalue 1 [ 1 %%' AS shows_all
          FROM pg_policy
          WHERE polrelid = c.oid AND polcmd IN ('r', '*')
            AND EXISTS (SELECT FROM unnest(polroles) AS to_role (oid) WHERE oid = 0 OR pg_has_role(w.role, oid, 'USAGE'))
      ) AS p
  ) IS NOT TRUE

UNION ALL
SELECT 'unreadable', n.nspname || '.' || c.relname, ARRAY[pg_get_userbyid(w.role)::text]
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = w.table_oid
  AND NOT (has_table_privilege(w.role, c.oid, 'SELECT') AND has_schema_privilege(w.role, c.relnamespace, 'USAGE'))

UNION ALL
SELECT 'subscribed', s.subname, '{}'
FROM pg_subscription_rel AS r JOIN pg_subscription AS s ON s.oid = r.srsubid
WHERE r.srrelid = ANY (d.oids)

UNION ALL
SELECT CASE WHEN NOT c.relispartition THEN 'inherited' ELSE 'remote' END, n.nspname || '.' || c.relname, '{}'
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = ANY (d.oids) AND c.oid <> w.table_oid AND c.oid <> ALL (w.watched)
  AND (NOT c.relispartition OR c.relkind = 'f')

UNION ALL
SELECT 'below', n.nspname || '.' || c.relname, ARRAY[c.relkind::text]
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE i.inhrelid = w.table_oid AND c.oid <> ALL (w.watched)

UNION ALL
SELECT 'silenced', coalesce(r.rolname, ''), '{}'
FROM pg_db_role_setting AS s LEFT JOIN pg_roles AS r ON r.oid = s.setrole
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  AND 'session_replication_role=replica' = ANY (s.setconfig)
  AND (s.setrole = 0 OR has_table_privilege(r.oid, w.table_oid, 'INSERT, UPDATE'))
  AND EXISTS (
      SELECT FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid
      WHERE t.tgrelid = w.table_oid AND t.tgenabled = 'O' AND f.pronamespace = to_regnamespace('rtp')
  )

-- name: of_tables
-- The obstacles of some tables, before anything is installed on them.
WITH RECURSIVE tables (top, oid) AS (
    SELECT oid, oid FROM unnest(%(oids)s::oid[]) AS asked (oid)
    UNION ALL
    SELECT t.top, i.inhrelid FROM tables AS t JOIN pg_inherits AS i ON i.inhparent = t.oid
)
SELECT d.top, o.what, o.place, o.details
FROM (SELECT top, array_agg(oid) AS oids FROM tables GROUP BY top) AS d
CROSS JOIN LATERAL (
    SELECT d.top AS table_oid, (SELECT oid FROM pg_roles WHERE rolname = current_user) AS role, %(watched)s::oid[] AS watched
) AS w
CROSS JOIN LATERAL (
{obstacles}
) AS o

-- name: arming
-- Every installed watch, with its table, since when it is installed so, and what keeps it from seeing all writes: a row for each
-- obstacle, or one of nulls.
--   what     replaced, gone, renamed: of its table; missing, disabled, diverted: of its triggers; unwatched: a partition without any;
--            retyped, lost: of a column; altered: of its function; the others as `obstacles` finds them
--   place    the table, or another thing that it is about
--   details  names that belong to it
WITH RECURSIVE installed AS MATERIALIZED (
    SELECT w.id, w.name, w.table_name, w.installed_at, w.triggers, w.column_types, w.source_md5, named.oid AS named_oid,
           named.relkind AS named_kind, f.oid AS function_oid, f.proowner AS role, md5(f.prosrc) AS source,
           CASE WHEN w.noted_in = w.tableoid THEN w.table_oid ELSE named.oid END AS table_oid
    FROM rtp.watch AS w
    CROSS JOIN string_to_array(CASE WHEN position('.' IN w.table_name) = 0 THEN 'public.' ELSE '' END || w.table_name, '.') AS parts
    LEFT JOIN pg_namespace AS s ON s.nspname = parts[1]
    LEFT JOIN pg_class AS named
           ON named.relnamespace = s.oid AND named.relname = parts[2] AND named.relkind IN ('r', 'p', 'v', 'm', 'f')
    LEFT JOIN pg_proc AS f
           ON f.pronamespace = 'rtp'::regnamespace AND f.proname = 'watch_' || w.name AND f.pronargs = 0
    WHERE w.removed_at IS NULL
), tables (id, oid, is_own) AS (
    -- A table that has its name: with its partitions, and what else inherits from it, at every level.
    SELECT id, table_oid, true FROM installed WHERE table_oid = named_oid
    UNION ALL
    SELECT t.id, i.inhrelid, false FROM tables AS t JOIN pg_inherits AS i ON i.inhparent = t.oid
), described AS MATERIALIZED (
    SELECT t.*, c.relkind, c.relispartition, n.nspname || '.' || c.relname AS place
    FROM tables AS t JOIN pg_class AS c ON c.oid = t.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
), found (id, what, place, details) AS (
    SELECT w.id, CASE WHEN w.named_oid IS NOT NULL THEN 'replaced' WHEN c.oid IS NOT NULL THEN 'renamed' ELSE 'gone' END,
           coalesce(n.nspname || '.' || c.relname, ''),
           ARRAY[coalesce(w.named_kind::text, '')]
    FROM installed AS w
    LEFT JOIN pg_class AS c ON c.oid = w.table_oid
    LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE w.table_oid IS DISTINCT FROM w.named_oid OR w.named_oid IS NULL

    UNION ALL
    SELECT id, CASE WHEN what = 'missing' AND NOT is_own AND count(*) = cardinality(triggers) THEN 'unwatched' ELSE what END,
           place, array_agg(trigger ORDER BY trigger)
    FROM (
        SELECT w.id, w.triggers, d.place, d.is_own, needed.name AS trigger,
               CASE WHEN t.oid IS NULL THEN 'missing' WHEN t.tgfoid IS DISTINCT FROM w.function_oid THEN 'diverted'
                    WHEN t.tgenabled NOT IN ('O', 'A') THEN 'disabled' END AS what
        FROM described AS d
        JOIN installed AS w USING (id)
        CROSS JOIN unnest(w.triggers) AS needed (name)
        LEFT JOIN pg_trigger AS t ON t.tgrelid = d.oid AND t.tgname = needed.name
        WHERE (d.is_own OR d.relispartition) AND d.relkind IN ('r', 'p')
    ) AS one
    WHERE what IS NOT NULL
    GROUP BY id, what, place, is_own, triggers

    UNION ALL
    SELECT w.id, CASE WHEN now.type IS NULL THEN 'lost' ELSE 'retyped' END, c.key, ARRAY[c.value, now.type]
    FROM installed AS w
    CROSS JOIN jsonb_each_text(w.column_types) AS c
    LEFT JOIN LATERAL (
        -- OFFSET: a look-up for each, instead of a join that reads the catalogs.
        -- As regtype prints it where only the catalog is in the search path, which is how types are noted.
        SELECT CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN format_type(a.atttypid, NULL)
                    ELSE format('%%I.%%I', n.nspname, t.typname) || CASE WHEN t.oid = a.atttypid THEN '' ELSE '[]' END END
        FROM pg_attribute AS a
        JOIN pg_type AS own ON own.oid = a.atttypid
        JOIN pg_type AS t ON t.oid = CASE own.typcategory WHEN 'A' THEN own.typelem ELSE own.oid END
        JOIN pg_namespace AS n ON n.oid = t.typnamespace
        WHERE a.attrelid = w.table_oid AND a.attname = c.key AND NOT a.attisdropped
        OFFSET 0
    ) AS now (type) ON true
    WHERE w.table_oid = w.named_oid AND now.type IS DISTINCT FROM c.value

    UNION ALL
    SELECT id, 'altered', 'rtp.watch_' || name, '{}' FROM installed WHERE source IS DISTINCT FROM source_md5

    UNION ALL
    SELECT d.id, o.what, o.place, o.details
    FROM (SELECT id, array_agg(oid) AS oids FROM tables GROUP BY id) AS d
    JOIN (SELECT id, table_oid, role, array_agg(table_oid) OVER () AS watched FROM installed) AS w USING (id)
    CROSS JOIN LATERAL (
{obstacles}
    ) AS o
)
SELECT w.name, w.table_name, w.installed_at, f.what, f.place, coalesce(f.details, '{}')
FROM installed AS w LEFT JOIN found AS f USING (id)
ORDER BY w.id, f.what, f.place

-- name: has_hypertables
-- Is there TimescaleDB in this database, and may its catalog be read?
SELECT coalesce(has_table_privilege(to_regclass('_timescaledb_catalog.hypertable'), 'SELECT'), false)

-- name: hypertables
-- Its tables: they refuse triggers with transition tables, or keep rows in tables of their own.
SELECT schema_name || '.' || table_name FROM _timescaledb_catalog.hypertable

-- name: kind_of_table
-- What sort of table has that name: there may be none.
SELECT c.relkind FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(name)s

-- name: installed_aliases
-- Those of these watches that are installed, with the aliases that their triggers know.
SELECT name, coalesce(settings -> 'aliases', '{}'), coalesce(settings -> 'chain_aliases', '{}')
FROM rtp.watch WHERE name = ANY (%(watches)s) AND removed_at IS NULL
