"""Who may do what: writers need and reach nothing of rtp's, and rtp's role needs what the README says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import sql

from core.settings.models import Settings, postgres_dsn
from tests.judging import judge_waiting
from tests.watching import TVL, install, settings_of
from triggers.installer import apply, plan_installation


@pytest.fixture
def roles(writer: psycopg.Connection, installed: Settings) -> Iterator[Any]:
    """Makes roles of this test, and connects as them."""
    made: list[sql.Identifier] = []
    opened: list[psycopg.Connection] = []

    def connect_as(name: str, *grants: str) -> psycopg.Connection:
        role = f"{name}_{writer.info.dbname}"
        made.append(sql.Identifier(role))
        writer.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'pw'").format(made[-1]))
        for grant in grants:
            writer.execute(sql.SQL(grant).format(role=made[-1], database=sql.Identifier(writer.info.dbname)))
        place = postgres_dsn(installed).rpartition("@")[2]
        connection = psycopg.connect(f"postgresql://{role}:pw@{place}", autocommit=True)
        opened.append(connection)
        return connection

    yield connect_as
    for connection in opened:
        connection.close()
    for role in made:
        writer.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
        writer.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def feeder(roles: Any) -> psycopg.Connection:
    """A role that may write to tvl, make tables of its own, and nothing else."""
    connection: psycopg.Connection = roles(
        "feeder", "GRANT SELECT, INSERT, UPDATE ON tvl TO {role}", "GRANT CREATE, TEMP ON DATABASE {database} TO {role}"
    )
    return connection


def write(connection: psycopg.Connection, value: int) -> None:
    connection.execute(
        "INSERT INTO public.tvl VALUES ('ethereum', 'lido', %s, 'llama')"
        " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
        [value],
    )


def told(connection: psycopg.Connection) -> list[tuple[str, str, str]]:
    return connection.execute("SELECT previous::text, current::text, reason FROM rtp.event ORDER BY id").fetchall()


@pytest.mark.parametrize("rules", [{}, {"cooldown": "0s", "glitch_guard": {"factor": 100}}], ids=["plain", "memory"])
def test_a_writer_fires_the_triggers_without_any_right_of_rtps(
    feeder: psycopg.Connection, writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    install(writer, tvl={**TVL, **rules})
    for value in (100, 200):
        write(feeder, value)
    judge_waiting(writer)
    assert told(writer) == [("100", "200", "deviation")]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM rtp.event",
        "SELECT * FROM rtp.installation",
        "INSERT INTO rtp.event (chain) VALUES ('forged')",
        "DELETE FROM rtp.cursor",
        "UPDATE rtp.baseline SET value = 0",
        "SELECT nextval('rtp.event_id')",
        "SELECT * FROM rtp.sample",
        "INSERT INTO rtp.sample (chain) VALUES ('forged')",
        "DELETE FROM rtp.judge_cursor",
        "SELECT nextval('rtp.sample_id')",
        "SELECT rtp.skip('forged')",
        "SELECT rtp.wake()",
        "SELECT rtp.note_error('tvl', 'UPDATE', '00000', 'forged')",
        "SELECT rtp.watch_tvl()",
        "CREATE TABLE rtp.mine ()",
    ],
)
def test_a_writer_reaches_nothing_of_rtps(feeder: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        feeder.execute(statement.encode())


HOSTILE = {
    "a function of its own": "CREATE FUNCTION evil.abs(numeric) RETURNS numeric LANGUAGE sql AS 'SELECT 0::numeric'",
    "an operator of its own": (
        "CREATE FUNCTION evil.never(numeric, numeric) RETURNS boolean LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR evil.>= (LEFTARG = numeric, RIGHTARG = numeric, FUNCTION = evil.never)"
    ),
    "a table of its own": "CREATE TABLE evil.new_rows (chain text, protocol text, tvl_usd numeric, source text)",
    "a temporary table": "CREATE TEMP TABLE pg_class AS SELECT 1 AS oid; CREATE TEMP TABLE event AS SELECT 1 AS id",
    "a type of its own": "CREATE DOMAIN evil.numeric AS pg_catalog.int4; CREATE DOMAIN evil.text AS pg_catalog.int4",
    "a clock of its own": (
        "CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
        " AS $$ SELECT '1999-01-01'::timestamptz $$"
    ),
}


@pytest.mark.parametrize("abuse", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_search_path_changes_nothing(
    feeder: psycopg.Connection, writer: psycopg.Connection, abuse: str
) -> None:
    write(feeder, 100)
    feeder.execute("CREATE SCHEMA evil")
    feeder.execute(abuse.encode())
    feeder.execute("SET search_path = evil, pg_temp, pg_catalog, public")
    write(feeder, 200)
    row = writer.execute("SELECT current::text, detected_at > '2020-01-01' FROM rtp.event").fetchone()
    assert (row, writer.execute("SELECT message FROM rtp.trigger_error").fetchall()) == (("200", True), [])


def test_every_function_that_runs_with_rtps_rights_has_a_fixed_search_path(writer: psycopg.Connection) -> None:
    loose = writer.execute(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'rtp'::regnamespace AND prosecdef"
        " AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)"
    ).fetchall()
    assert loose == []


def test_the_readmes_grants_are_enough(roles: Any, writer: psycopg.Connection) -> None:
    writer.execute("DROP SCHEMA rtp CASCADE")
    rtp = roles(
        "rtp",
        "GRANT CREATE ON DATABASE {database} TO {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT SELECT, TRIGGER ON public.tvl, public.prices, public.protocols TO {role}",
    )
    with closing(rtp):
        apply(rtp, plan_installation(rtp, settings_of(tvl={**TVL, "table": "public.tvl", "heartbeat": "1h"})))
        for value in (100, 200):
            write(writer, value)
        judge_waiting(rtp)
        assert told(rtp) == [("100", "200", "deviation")]
        writer.execute("DROP SCHEMA rtp CASCADE")


@pytest.mark.parametrize(
    ("rules", "lost"),
    [
        ({}, "SELECT ON rtp.baseline"),
        ({}, "INSERT ON rtp.baseline"),
        ({}, "UPDATE ON rtp.baseline"),
        ({}, "INSERT ON rtp.event"),
        ({"heartbeat": "1h"}, "INSERT ON rtp.sample"),
    ],
)
def test_a_right_that_rtp_has_lost_fails_no_writer(
    roles: Any, writer: psycopg.Connection, rules: dict[str, Any], lost: str
) -> None:
    writer.execute("DROP SCHEMA rtp CASCADE")
    rtp = roles(
        "rtp",
        "GRANT CREATE ON DATABASE {database} TO {role}",
        "GRANT SELECT, TRIGGER ON public.tvl, public.prices, public.protocols TO {role}",
    )
    with closing(rtp):
        apply(rtp, plan_installation(rtp, settings_of(tvl={**TVL, **rules, "table": "public.tvl"})))
        for value in (100, 200):
            write(writer, value)
        rtp.execute(f"REVOKE {lost} FROM CURRENT_USER, PUBLIC".encode())
        for value in (300, 400):
            write(writer, value)
        assert writer.execute("SELECT tvl_usd FROM tvl").fetchone() == (400,)
        writer.execute("DROP SCHEMA rtp CASCADE")
