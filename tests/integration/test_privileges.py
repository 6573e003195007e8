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
from tests.tvl_table import write
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


# A type of the table's owner, with a cast of his own

EVIL = (
    "CREATE TYPE public.amount AS ENUM ('100', '200', '400');"
    "CREATE TABLE public.seen (who text); GRANT INSERT ON public.seen TO PUBLIC;"
    "CREATE FUNCTION public.spy(public.amount) RETURNS {target} LANGUAGE plpgsql AS $$ BEGIN"
    " INSERT INTO public.seen VALUES (current_user); RETURN $1::text::{target}; END $$;"
    "CREATE CAST (public.amount AS {target}) WITH FUNCTION public.spy AS IMPLICIT"
)


@pytest.fixture
def table_owner(roles: Any, writer: psycopg.Connection) -> psycopg.Connection:
    """A role that owns the table tvl, may make types of its own, and has no right of rtp's."""
    connection: psycopg.Connection = roles(
        "owner", "ALTER TABLE tvl OWNER TO {role}", "GRANT CREATE ON SCHEMA public TO {role}"
    )
    return connection


RULES: list[dict[str, Any]] = [{}, {"heartbeat": "1h"}]


@pytest.mark.parametrize("rules", RULES, ids=["plain", "memory"])
def test_a_cast_of_the_owners_own_never_runs_for_the_value(
    table_owner: psycopg.Connection, writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    install(writer, tvl={**TVL, **rules})
    write(table_owner, 100)
    table_owner.execute(EVIL.format(target="numeric").encode())
    table_owner.execute("ALTER TABLE tvl ALTER tvl_usd TYPE amount USING tvl_usd::text::amount")
    table_owner.execute("UPDATE tvl SET tvl_usd = '200'")
    noted = writer.execute("SELECT watch FROM rtp.trigger_error").fetchall()
    assert (writer.execute("SELECT who FROM seen").fetchall(), noted) == ([], [("tvl",)])


@pytest.mark.parametrize("rules", RULES, ids=["plain", "memory"])
def test_a_table_that_takes_the_name_of_the_watched_one_is_not_asked_for_its_types(
    table_owner: psycopg.Connection, writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    install(writer, tvl={**TVL, **rules})
    write(table_owner, 100)
    table_owner.execute(EVIL.format(target="numeric").encode())
    table_owner.execute("ALTER TABLE tvl RENAME TO old_tvl; CREATE TABLE tvl (LIKE old_tvl)")
    table_owner.execute("ALTER TABLE old_tvl ALTER tvl_usd TYPE amount USING tvl_usd::text::amount")
    table_owner.execute("UPDATE old_tvl SET tvl_usd = '200'")
    noted = writer.execute("SELECT watch FROM rtp.trigger_error").fetchall()
    assert (writer.execute("SELECT who FROM seen").fetchall(), noted) == ([], [("tvl",)])


@pytest.mark.parametrize("rules", RULES, ids=["plain", "memory"])
def test_a_name_of_the_owners_own_type_is_read_without_its_cast(
    table_owner: psycopg.Connection, writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    table_owner.execute(EVIL.format(target="text").encode())
    table_owner.execute("ALTER TABLE tvl ALTER protocol TYPE amount USING '100', ALTER source TYPE amount USING '100'")
    install(writer, tvl={**TVL, **rules})
    for value in (1, 2):
        table_owner.execute(
            "INSERT INTO tvl VALUES ('ethereum', '200', %s, '400')"
            " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
            [value],
        )
    judge_waiting(writer)
    found = writer.execute("SELECT entity, current, provenance FROM rtp.event").fetchall()
    assert (writer.execute("SELECT who FROM seen").fetchall(), found) == ([], [("200", 2, "400")])


def test_a_watched_column_of_the_owners_own_type_is_told_without_its_cast_to_json(
    table_owner: psycopg.Connection, writer: psycopg.Connection
) -> None:
    table_owner.execute(EVIL.format(target="json").encode())
    table_owner.execute("ALTER TABLE tvl ALTER source TYPE amount USING '100'")
    columns = {"chain": "chain", "protocol": "protocol"}
    install(writer, meta={"kind": "protocol", "table": "tvl", "watched": ["source"], "columns": columns})
    table_owner.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 1, '100')")
    table_owner.execute("UPDATE tvl SET source = '200'")
    told = writer.execute("SELECT fields -> 'source' ->> 'current' FROM rtp.event ORDER BY id").fetchall()
    assert (writer.execute("SELECT who FROM seen").fetchall(), told) == ([], [("100",), ("200",)])


def test_a_watched_column_that_becomes_of_such_a_type_is_not_read(
    table_owner: psycopg.Connection, writer: psycopg.Connection
) -> None:
    columns = {"chain": "chain", "protocol": "protocol"}
    install(writer, meta={"kind": "protocol", "table": "tvl", "watched": ["source"], "columns": columns})
    table_owner.execute(EVIL.format(target="json").encode())
    table_owner.execute("ALTER TABLE tvl ALTER source TYPE amount USING '100'")
    table_owner.execute("INSERT INTO tvl VALUES ('ethereum', 'lido', 1, '100')")
    noted = writer.execute("SELECT message FROM rtp.trigger_error").fetchone()
    assert writer.execute("SELECT who FROM seen").fetchall() == []
    assert noted is not None
    assert "run rtp install-triggers" in noted[0]


def test_the_check_of_a_domain_of_the_owners_own_never_runs_with_rtps_rights(
    table_owner: psycopg.Connection, writer: psycopg.Connection
) -> None:
    table_owner.execute("CREATE TABLE public.seen (who text); GRANT INSERT ON public.seen TO PUBLIC")
    table_owner.execute(
        "CREATE FUNCTION public.spy(numeric) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO public.seen VALUES (current_user); RETURN true; END $$;"
        "CREATE DOMAIN public.amount AS numeric CHECK (public.spy(VALUE))"
    )
    table_owner.execute("ALTER TABLE tvl ALTER tvl_usd TYPE amount")
    install(writer, tvl=TVL)
    for value in (100, 200):
        write(table_owner, value)
    users = {row[0] for row in writer.execute("SELECT who FROM seen")}
    assert (users, told(writer)) == ({table_owner.info.user}, [("100", "200", "deviation")])


# Settings of a writer's session


@pytest.mark.parametrize("rules", RULES, ids=["plain", "memory"])
def test_what_a_writers_session_sets_makes_no_other_entity_of_a_row(
    writer: psycopg.Connection, rules: dict[str, Any]
) -> None:
    writer.execute("ALTER TABLE tvl ALTER protocol TYPE bytea USING '\\xab', ALTER chain TYPE timestamptz USING now()")
    install(writer, tvl={**TVL, **rules})
    insert = (
        "INSERT INTO tvl VALUES ('2026-03-02 01:00+00', '\\xcafe', %s, '') ON CONFLICT (chain, protocol)"
        " DO UPDATE SET tvl_usd = excluded.tvl_usd"
    )
    writer.execute(insert, [100])
    writer.execute("SET bytea_output = escape; SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Tokyo'")
    writer.execute(insert, [200])
    writer.execute("RESET bytea_output; RESET DateStyle; RESET TimeZone")
    judge_waiting(writer)
    found = writer.execute("SELECT chain, entity, previous, current FROM rtp.event").fetchall()
    assert found == [("2026-03-02 01:00:00+00", "\\xcafe", 100, 200)]


def test_a_text_is_a_number_whatever_a_backslash_means_to_its_writer(writer: psycopg.Connection) -> None:
    writer.execute("ALTER TABLE tvl ALTER tvl_usd TYPE text")
    install(writer, tvl=TVL)
    writer.execute("SET standard_conforming_strings = off; SET escape_string_warning = off")
    for value in (100, 200):
        write(writer, value)
    assert told(writer) == [("100", "200", "deviation")]
