"""PL/pgSQL keeps a plan as long as its session lasts: one that was made for a few rows must serve thousands as well.

The server's own auto_explain tells which plans the triggers' statements had.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.judging import judge_waiting
from tests.watching import TVL, install

Plan = dict[str, Any]

LATEST: dict[str, Any] = {**TVL, "table": "amounts"}
METADATA: dict[str, Any] = {
    "kind": "protocol",
    "table": "amounts",
    "watched": ["source"],
    "columns": {"chain": "chain", "protocol": "protocol"},
}
WATCHES: dict[str, dict[str, Any]] = {
    "latest": LATEST,
    "latest with first sightings": {**LATEST, "emit_first": True},
    "latest with a memory": {**LATEST, "heartbeat": "1d"},
    "history": {**LATEST, "shape": "history", "columns": {**LATEST["columns"], "changed_at": "updated_at"}},
    "metadata": METADATA,
}
SMALL_STATEMENTS = [
    "INSERT INTO amounts VALUES ('all', 'new', 5)",
    "UPDATE amounts SET tvl_usd = 300, source = 'y', updated_at = clock_timestamp() WHERE protocol = 'p7'",
    "UPDATE amounts SET protocol = 'renamed' WHERE protocol = 'p8'",
    "DELETE FROM amounts WHERE protocol = 'p9'",
]
LARGE_STATEMENTS = [
    "INSERT INTO amounts SELECT 'all', 'q' || number, 100 FROM generate_series(1, 2000) AS number",
    "UPDATE amounts SET tvl_usd = 300, source = 'y'",
    "UPDATE amounts SET protocol = protocol || 'z'",
]
ONE_AFTER_THE_OTHER = [
    # Who has even numbers steps aside, so that two exchange their names.
    "BEGIN; UPDATE amounts SET protocol = 't' || protocol WHERE protocol ~ '^p[0-9]*[02468]$';"
    " UPDATE amounts SET protocol = 'p' || substr(protocol, 2)::int + 1 WHERE protocol ~ '^p[0-9]*[13579]$';"
    " UPDATE amounts SET protocol = 'p' || substr(protocol, 3)::int - 1 WHERE protocol ~ '^tp'; COMMIT",
    "BEGIN; UPDATE amounts SET protocol = protocol || 'z'; UPDATE amounts SET protocol = protocol || 'z'; COMMIT",
    "UPDATE amounts SET protocol = protocol || 'z' WHERE ctid IN (SELECT ctid FROM amounts LIMIT 100)",
    "DELETE FROM amounts WHERE ctid IN (SELECT ctid FROM amounts LIMIT 100)",
    "BEGIN; DELETE FROM amounts;"
    " INSERT INTO amounts SELECT 'all', 'p' || n, 300 FROM generate_series(1, 2000) AS n; COMMIT",
    "INSERT INTO amounts SELECT 'all', 'r' || n, 100 FROM generate_series(1, 100) AS n",
    "INSERT INTO amounts SELECT 'all', 's' || n, 100 FROM generate_series(1, 2000) AS n",
    "TRUNCATE amounts",
    # Nobody knows of these yet.
    "BEGIN ISOLATION LEVEL REPEATABLE READ;"
    " INSERT INTO amounts SELECT 'all', 'u' || n, 100 FROM generate_series(1, 2000) AS n; COMMIT",
    "UPDATE amounts SET tvl_usd = 300, source = 'y'",
]
FEW_TIMES_ALL_ROWS = 25_000
UPDATED_IN_PLACE = [name for name in WATCHES if name != "history"]

Connect = Callable[[], psycopg.Connection]


@pytest.fixture
def old_session(writer: psycopg.Connection, connect_again: Connect, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A writer that was there when the table held one row, and has written every kind of statement then."""
    writer.execute(
        "CREATE TABLE public.amounts (chain text, protocol text, tvl_usd numeric, source text DEFAULT 's',"
        " updated_at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (chain, protocol))"
    )
    install(writer, amounts=WATCHES[request.param])
    writer.execute("INSERT INTO amounts VALUES ('all', 'p0', 100)")
    judge_waiting(writer)
    writer.execute("ANALYZE rtp.baseline")  # as a server does on its own: it now knows that there is next to nothing
    for step in range(3):
        update(writer, "tvl_usd = tvl_usd * 2, source = source || 'x', updated_at = clock_timestamp()")
        update(writer, "protocol = protocol || 'x'")
        writer.execute("INSERT INTO amounts VALUES ('all', %s, 100)", [f"passing {step}"])
        writer.execute("DELETE FROM amounts WHERE protocol LIKE 'passing%'")
    fill(connect_again())
    judge_waiting(writer)
    writer.execute("LOAD 'auto_explain'")
    for setting, value in {"log_min_duration": "0", "log_nested_statements": "on", "log_format": "json"}.items():
        writer.execute(f"SET auto_explain.{setting} TO {value}".encode())
    writer.execute("SET auto_explain.log_level TO notice")
    yield writer


def fill(connection: psycopg.Connection) -> None:
    connection.execute("INSERT INTO amounts SELECT 'all', 'p' || number, 100 FROM generate_series(1, 2000) AS number")


def update(connection: psycopg.Connection, what: str, where: str = "true") -> None:
    connection.execute(f"UPDATE amounts SET {what} WHERE {where}".encode())


def plans_of(connection: psycopg.Connection, statement: str) -> list[Plan]:
    """The plans of everything that a statement runs, its triggers included."""
    plans: list[Plan] = []

    def note(diagnostic: psycopg.errors.Diagnostic) -> None:
        _, _, document = (diagnostic.message_primary or "").partition("plan:\n")
        plans.append(json.loads(document)["Plan"])

    connection.add_notice_handler(note)
    connection.execute(statement.encode())
    connection.remove_notice_handler(note)
    return plans


def nodes(plan: Plan) -> Iterator[Plan]:
    """A plan's node and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


def scans_of_baselines(plans: list[Plan]) -> list[str]:
    """How the plans read rtp.baseline."""
    return [node["Node Type"] for plan in plans for node in nodes(plan) if node.get("Relation Name") == "baseline"]


def is_row_by_row(join: Plan) -> bool:
    """Whether all rows of a transition table are gone through again for each row of something else."""
    return join["Node Type"] == "Nested Loop" and any(
        node["Node Type"] == "Named Tuplestore Scan" for node in nodes(join["Plans"][1])
    )


def rows_gone_through(plan: Plan) -> list[float]:
    """How many rows each of the plan's nodes has looked at, as often as it was run."""
    looked_at = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    return [node["Actual Loops"] * sum(node.get(rows, 0) for rows in looked_at) for node in nodes(plan)]


@pytest.mark.parametrize("old_session", ["latest", "metadata"], indirect=True)
def test_no_small_statement_reads_all_baselines(old_session: psycopg.Connection) -> None:
    plans = [plan for statement in SMALL_STATEMENTS for plan in plans_of(old_session, statement)]
    assert set(scans_of_baselines(plans)) & {"Seq Scan", "Index Scan"} == {"Index Scan"}


@pytest.mark.parametrize("old_session", ["latest with a memory", "history"], indirect=True)
def test_what_rtp_run_judges_reads_no_baseline(old_session: psycopg.Connection) -> None:
    plans = [plan for statement in SMALL_STATEMENTS for plan in plans_of(old_session, statement)]
    assert scans_of_baselines(plans) == []


@pytest.mark.parametrize("old_session", UPDATED_IN_PLACE, indirect=True)
def test_a_large_statement_is_not_compared_row_by_row(old_session: psycopg.Connection) -> None:
    for statement in LARGE_STATEMENTS:
        old_session.execute("ANALYZE rtp.baseline")  # the server may look at any time, and then plans anew
        joins = [join for plan in plans_of(old_session, statement) for join in nodes(plan) if is_row_by_row(join)]
        assert (statement, [join["Node Type"] for join in joins]) == (statement, [])


@pytest.mark.parametrize("old_session", UPDATED_IN_PLACE, indirect=True)
def test_rows_are_gone_through_once_while_the_server_knows_of_one_baseline(old_session: psycopg.Connection) -> None:
    old_session.execute("SET auto_explain.log_analyze TO on")
    for statement in ONE_AFTER_THE_OTHER:
        most = max(rows for plan in plans_of(old_session, statement) for rows in rows_gone_through(plan))
        assert most < FEW_TIMES_ALL_ROWS, statement
    assert old_session.execute("SELECT message FROM rtp.trigger_error").fetchall() == []
