"""Everything that a database holds besides its users' rows, as comparable text: what pg_dump would tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
QUERIES = (
    f"SELECT 'schema', n.nspname, n.nspacl::text, obj_description(n.oid) FROM pg_namespace n WHERE {USERS}",
    f"""SELECT 'relation', c.oid::regclass::text, c.relkind, c.relpersistence, c.relacl::text, c.reloptions::text,
               obj_description(c.oid)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USERS}""",
    f"""SELECT 'column', c.oid::regclass::text, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, pg_get_expr(d.adbin, d.adrelid)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE {USERS} AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v')""",
    f"""SELECT 'constraint', k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid)
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace WHERE {USERS}""",
    f"SELECT 'index', n.nspname, indexname, indexdef FROM pg_indexes JOIN pg_namespace n ON n.nspname = schemaname "
    f"WHERE {USERS}",
    # But for where it begins: a log's sequence begins at the clock.
    f"""SELECT 'sequence', (to_jsonb(s) - 'last_value')::text
        FROM pg_sequences s JOIN pg_namespace n ON n.nspname = schemaname WHERE {USERS}""",
    f"""SELECT 'function', pg_get_functiondef(p.oid), p.proacl::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {USERS}""",
    """SELECT 'trigger', t.tgrelid::regclass::text, pg_get_triggerdef(t.oid), t.tgenabled
       FROM pg_trigger t WHERE NOT t.tgisinternal""",
)


def catalog_of(connection: psycopg.Connection) -> set[str]:
    """One line per object."""
    return {str(row) for query in QUERIES for row in connection.execute(query.encode())}


def table_of(connection: psycopg.Connection, table: str) -> list[str]:
    """A table's rows as text, in order."""
    return [row[0] for row in connection.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1".encode())]
