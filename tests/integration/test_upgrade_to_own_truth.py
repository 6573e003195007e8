"""From schema version 7, with data: what was reported, sighted and held back is known still, and what waits is judged.

What version 7 left is migrations 1 to 7, which nobody changes, and version_7.sql.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.leading.leader_row import look
from core.services.postgres import connect
from tests.catalog_snapshot import catalog_of
from tests.judging import judge_ticks, judge_waiting
from tests.watching import settings_of
from triggers.installer import apply, find_drift, plan_installation, plan_removal
from triggers.migrations import migrations
from triggers.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

LEFT_BY_VERSION_7 = Path(__file__).with_name("version_7.sql")
COLUMNS = {"chain": "chain", "token": "token", "value": "price"}
RATES: dict[str, Any] = {"kind": "price", "table": "Rates", "percent": 1, "columns": COLUMNS}
SAMPLES: dict[str, Any] = {
    "kind": "price",
    "table": "public.samples",
    "percent": 1,
    "shape": "history",
    "glitch_guard": {"factor": 2, "release_after": "5m"},
    "confidence": 0.5,
    "columns": {**COLUMNS, "changed_at": "at"},
}
SETTINGS = settings_of(rates=RATES, samples=SAMPLES)


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database as version 7 left it."""
    with closing(connect(database, role="test")) as connection:
        for migration in migrations()[:7]:
            connection.execute(migration.encode())
        connection.execute(LEFT_BY_VERSION_7.read_bytes())
        yield connection


def upgrade(connection: psycopg.Connection) -> None:
    apply(connection, plan_installation(connection, SETTINGS))


def told(connection: psycopg.Connection, entity: str) -> list[tuple[int, int]]:
    query = "SELECT previous, current FROM rtp.event WHERE entity = %s ORDER BY id"
    return [(int(previous), int(current)) for previous, current in connection.execute(query, [entity])]


def test_the_database_is_as_a_new_installation_leaves_it(owner: psycopg.Connection) -> None:
    upgrade(owner)
    assert find_drift(owner, SETTINGS) == []


def test_the_schema_is_the_one_that_a_new_installation_makes(owner: psycopg.Connection) -> None:
    upgrade(owner)
    upgraded = catalog_of(owner)
    apply(owner, plan_removal(owner))
    upgrade(owner)
    # A watch's functions hold the revision of its rules, and a sequence has come as far as it has.
    other = {line for line in upgraded ^ catalog_of(owner) if not re.match(r"\('sequence'|.*_(rates|samples)\(", line)}
    assert other == set()


def test_a_dry_run_says_that_the_watched_tables_are_kept_from_their_writers(owner: psycopg.Connection) -> None:
    shown = summarise(owner, plan_installation(owner, SETTINGS)).tables
    assert {(table.table, table.keeps_out) for table in shown} == {
        ("public.Rates", "writers"),
        ("public.samples", "writers"),
    }


def test_the_migration_alone_knows_the_table_of_each_watch_that_is_there(owner: psycopg.Connection) -> None:
    owner.execute(migrations()[7].encode())
    found = owner.execute("SELECT name, table_oid::regclass::text FROM rtp.watch ORDER BY id").fetchall()
    assert found == [("rates", '"Rates"'), ("samples", "samples"), ("gone", None)]


def test_whoever_leads_during_the_upgrade_has_lost_the_lead_at_its_end(
    owner: psycopg.Connection, database: str
) -> None:
    with closing(connect(database, role="leader")) as leader:
        leader.execute(
            "UPDATE rtp.leader SET epoch = 3, backend_pid = pg_backend_pid(), lease = '5 s', renewed_at = now()"
        )
        upgrade(owner)
        assert not look(owner).has_session


def test_a_change_is_still_compared_with_what_was_last_reported(owner: psycopg.Connection) -> None:
    upgrade(owner)
    owner.execute('UPDATE "Rates" SET price = 401')  # by less than a percent
    owner.execute('UPDATE "Rates" SET price = 800')
    assert told(owner, "dai") == [(100, 200), (200, 400), (400, 800)]


def test_what_waited_is_judged_by_its_time(owner: psycopg.Connection) -> None:
    upgrade(owner)
    judge_waiting(owner)
    assert told(owner, "eth") == [(100, 110), (110, 120)]


def test_a_quarantine_whose_row_nobody_noted_is_released_with_what_the_watch_says(owner: psycopg.Connection) -> None:
    upgrade(owner)
    judge_ticks(owner)
    query = "SELECT previous, current, confidence, provenance FROM rtp.event WHERE entity = 'btc'"
    assert owner.execute(query).fetchall() == [(1000, 5000, 0.5, None)]
