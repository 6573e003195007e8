"""Every reason why the settings do not fit the database, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from core.services.postgres import own_transaction
from core.sinks.settings import load_settings
from tests.watching import TVL, settings_of
from triggers import validator
from triggers.validator import validate

if TYPE_CHECKING:
    from core.settings.models import Settings

PRICES = {"kind": "price", "table": "prices", "columns": {"chain": "chain", "token": "token", "value": "price_usd"}}
PROTOCOLS = {"kind": "protocol", "table": "protocols", "columns": {"protocol": "protocol"}, "watched": ["name"]}


@pytest.fixture
def bare(database: str) -> Iterator[psycopg.Connection]:
    """A connection that can only read, to a database with the demo's tables and without rtp."""
    from core.demo.tables import create_tables  # noqa: PLC0415

    with closing(psycopg.connect(database, autocommit=True)) as connection:
        create_tables(connection)
        yield connection


def findings(connection: psycopg.Connection, settings: Settings) -> list[str]:
    """What the validator finds in a transaction that may only read."""
    with own_transaction(connection, "READ ONLY"):
        return [str(finding) for finding in validate(connection, settings)]


def with_columns(**columns: Any) -> dict[str, Any]:
    return TVL | {"columns": {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"} | columns}


def test_the_default_settings_fit_the_demos_tables(bare: psycopg.Connection) -> None:
    assert findings(bare, load_settings(None, environ={}, options={})) == []


def test_an_installed_database_still_fits(writer: psycopg.Connection) -> None:
    assert findings(writer, load_settings(None, environ={}, options={})) == []


def test_a_missing_table(bare: psycopg.Connection) -> None:
    assert findings(bare, settings_of(tvl=TVL | {"table": "defi.tvl"})) == [
        "watches.tvl.table: table defi.tvl does not exist. Create it, or correct the name (schema.table)"
    ]


def test_a_table_of_rtps_own(writer: psycopg.Connection) -> None:
    columns = {"chain": "chain", "token": "entity", "value": "current", "changed_at": "changed_at"}
    watch = {"kind": "price", "table": "rtp.event", "shape": "history", "columns": columns}
    assert findings(writer, settings_of(log=watch)) == [
        "watches.log.table: rtp.event is in rtp's own schema. Watch a table of your own"
    ]


def test_a_missing_column_that_resembles_one(bare: psycopg.Connection) -> None:
    assert findings(bare, settings_of(tvl=with_columns(value="tvl_usdd"))) == [
        "watches.tvl.columns.value: tvl has no column tvl_usdd. Did you mean tvl_usd?"
    ]


def test_a_missing_column_that_resembles_none(bare: psycopg.Connection) -> None:
    assert findings(bare, settings_of(tvl=with_columns(value="xyz"))) == [
        "watches.tvl.columns.value: tvl has no column xyz."
        " Its columns are: chain, protocol, source, tvl_usd, updated_at"
    ]


def test_a_missing_watched_field(bare: psycopg.Connection) -> None:
    assert findings(bare, settings_of(protocols=PROTOCOLS | {"watched": ["name", "urls"]})) == [
        "watches.protocols.watched[1]: protocols has no column urls. Did you mean url?"
    ]


@pytest.mark.parametrize(
    ("role", "found", "types"),
    [
        ("confidence", "text", "bigint, double precision, integer, numeric, real, smallint"),
        ("changed_at", "text", "date, timestamp with time zone, timestamp without time zone"),
    ],
)
def test_a_column_of_the_wrong_type(bare: psycopg.Connection, role: str, found: str, types: str) -> None:
    assert findings(bare, settings_of(tvl=with_columns(**{role: "source"}))) == [
        f"watches.tvl.columns.{role}: column source of tvl is {found}. It must be one of: {types}"
    ]


VIRTUAL = "is computed when it is read, which PostgreSQL's triggers cannot do. Make it a stored column"


def test_a_value_that_is_computed_only_when_read(bare: psycopg.Connection) -> None:
    if bare.info.server_version < 180000:
        pytest.skip("PostgreSQL has such columns since 18")
    bare.execute("ALTER TABLE tvl ADD doubled numeric GENERATED ALWAYS AS (tvl_usd * 2) VIRTUAL")
    (found,) = findings(bare, settings_of(tvl=with_columns(value="doubled")))
    assert found.startswith(f"watches.tvl.columns.value: column doubled of tvl {VIRTUAL}")


def test_a_watched_field_that_is_computed_only_when_read(bare: psycopg.Connection) -> None:
    if bare.info.server_version < 180000:
        pytest.skip("PostgreSQL has such columns since 18")
    bare.execute("ALTER TABLE protocols ADD shouted text GENERATED ALWAYS AS (upper(name)) VIRTUAL")
    (found,) = findings(bare, settings_of(protocols=PROTOCOLS | {"watched": ["shouted"]}))
    assert found.startswith(f"watches.protocols.watched[0]: column shouted of protocols {VIRTUAL}")


def test_a_domain_counts_as_the_type_below_it(bare: psycopg.Connection) -> None:
    bare.execute("CREATE DOMAIN usd AS numeric CHECK (VALUE >= 0); ALTER TABLE tvl ALTER tvl_usd TYPE usd")
    assert findings(bare, settings_of(tvl=TVL)) == []


@pytest.mark.parametrize(
    ("make", "what"),
    [("CREATE VIEW it AS TABLE tvl", "a view"), ("CREATE MATERIALIZED VIEW it AS TABLE tvl", "a materialized view")],
)
def test_what_looks_like_a_table(bare: psycopg.Connection, make: str, what: str) -> None:
    bare.execute(make.encode())
    assert findings(bare, settings_of(tvl=TVL | {"table": "it"})) == [
        f"watches.tvl.table: it is {what}. Triggers need a table; name the table below it"
    ]


def test_a_partitioned_table_can_be_watched(bare: psycopg.Connection) -> None:
    bare.execute(
        "CREATE TABLE it (chain text, protocol text, tvl_usd numeric, source text, UNIQUE (chain, protocol))"
        " PARTITION BY LIST (chain)"
    )
    assert findings(bare, settings_of(tvl=TVL | {"table": "it"})) == []


@pytest.mark.parametrize("key", ["", "UNIQUE (chain, protocol, source)", "UNIQUE (tvl_usd)"])
def test_a_table_that_may_hold_several_rows_per_entity(bare: psycopg.Connection, key: str) -> None:
    columns = "chain text, protocol text, tvl_usd numeric, source text"
    bare.execute(f"CREATE TABLE it ({columns}{', ' if key else ''}{key})".encode())
    assert findings(bare, settings_of(tvl=TVL | {"table": "it"})) == [
        "watches.tvl.table: it may hold several rows per entity: no unique key within (chain, protocol)."
        " Add a unique index on these columns, or say `shape: history` if each row is a sample"
    ]


@pytest.mark.parametrize("index", ["ON it (chain, protocol) WHERE chain <> ''", "ON it (chain, lower(protocol))"])
def test_a_partial_key_is_no_key(bare: psycopg.Connection, index: str) -> None:
    bare.execute("CREATE TABLE it (chain text, protocol text, tvl_usd numeric, source text)")
    bare.execute(f"CREATE UNIQUE INDEX {index}".encode())
    assert len(findings(bare, settings_of(tvl=TVL | {"table": "it"}))) == 1


@pytest.mark.parametrize("key", ["PRIMARY KEY (protocol)", "UNIQUE (protocol, chain) INCLUDE (tvl_usd)"])
def test_a_key_within_the_mapped_columns_will_do(bare: psycopg.Connection, key: str) -> None:
    bare.execute(f"CREATE TABLE it (chain text, protocol text, tvl_usd numeric, source text, {key})".encode())
    assert findings(bare, settings_of(tvl=TVL | {"table": "it"})) == []


def test_a_server_that_is_too_old(bare: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validator, "OLDEST_SERVER", 990000)
    (finding,) = findings(bare, settings_of(tvl=TVL))
    assert finding.startswith("postgres: the server is PostgreSQL 1")


# Rights


@pytest.fixture
def weak(bare: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """The same connection as a role that may see the tables, and nothing else."""
    with as_weak_role(bare):
        yield bare


class as_weak_role:  # noqa: N801
    """Take on a role of the database's own name, without any right."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._role = sql.Identifier(role_of(connection))

    def __enter__(self) -> None:
        self._connection.execute(sql.SQL("CREATE ROLE {}").format(self._role))
        self._connection.execute(sql.SQL("SET ROLE {}").format(self._role))

    def __exit__(self, *_: object) -> None:
        self._connection.execute("RESET ROLE")
        self._connection.execute(sql.SQL("DROP OWNED BY {}").format(self._role))
        self._connection.execute(sql.SQL("DROP ROLE {}").format(self._role))


def role_of(connection: psycopg.Connection) -> str:
    return f"weak_{connection.info.dbname}"


def grant(connection: psycopg.Connection, rights: str) -> None:
    """Grant something to the weak role, as the owner."""
    role = sql.Identifier(role_of(connection))
    connection.execute("RESET ROLE")
    connection.execute(sql.SQL("GRANT {} TO {}").format(sql.SQL(rights), role))
    connection.execute(sql.SQL("SET ROLE {}").format(role))


@pytest.mark.parametrize(("missing", "granted"), [("TRIGGER", "SELECT"), ("SELECT", "TRIGGER")])
def test_a_missing_right_on_the_table(weak: psycopg.Connection, missing: str, granted: str) -> None:
    grant(weak, f"CREATE ON DATABASE {weak.info.dbname}")
    grant(weak, f"{granted} ON tvl")
    role = role_of(weak)
    assert findings(weak, settings_of(tvl=TVL)) == [
        f"watches.tvl.table: role {role} lacks {missing} on public.tvl."
        f' As its owner: GRANT {missing} ON "public"."tvl" TO "{role}"'
    ]


def test_the_remedy_for_a_missing_right_is_one(weak: psycopg.Connection) -> None:
    grant(weak, f"CREATE ON DATABASE {weak.info.dbname}")
    remedies = [finding.remedy for finding in validate(weak, settings_of(tvl=TVL))]
    weak.execute("RESET ROLE")
    for remedy in remedies:
        weak.execute(remedy.removeprefix("As its owner: ").encode())
    weak.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role_of(weak))))
    assert findings(weak, settings_of(tvl=TVL)) == []


def test_no_right_to_create_the_schema(weak: psycopg.Connection) -> None:
    grant(weak, "SELECT, TRIGGER ON tvl")
    database, role = weak.info.dbname, role_of(weak)
    assert findings(weak, settings_of(tvl=TVL)) == [
        f"postgres: role {role} may not create the schema rtp in database {database}."
        f' As its owner: GRANT CREATE ON DATABASE "{database}" TO "{role}"'
    ]


def test_no_right_to_use_the_tables_schema(weak: psycopg.Connection) -> None:
    grant(weak, f"CREATE ON DATABASE {weak.info.dbname}")
    weak.execute("RESET ROLE")
    weak.execute("CREATE SCHEMA defi; ALTER TABLE tvl SET SCHEMA defi")
    grant(weak, "SELECT, TRIGGER ON defi.tvl")
    role = role_of(weak)
    assert findings(weak, settings_of(tvl=TVL | {"table": "defi.tvl"})) == [
        f"watches.tvl.table: role {role} may not use the schema defi."
        f' As its owner: GRANT USAGE ON SCHEMA "defi" TO "{role}"'
    ]


def test_no_right_to_an_installed_schema(writer: psycopg.Connection) -> None:
    with as_weak_role(writer):
        grant(writer, "SELECT, TRIGGER ON tvl")
        assert findings(writer, settings_of(tvl=TVL)) == [
            f"postgres: role {role_of(writer)} is not the one that installed rtp in this database, which is rtp_owner."
            f' Connect as rtp_owner, or have it granted: GRANT "rtp_owner" TO "{role_of(writer)}"'
        ]
