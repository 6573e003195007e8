"""From schema version 1, with data: an upgrade keeps what was reported, what waits, and where each sink was.

What version 1 left is migration 1, which nobody changes, and version_1.sql.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.demo.tables import create_tables
from core.letters.table import read_letters
from core.log.reader import LogReader
from core.services.postgres import DatabaseServer, connect
from core.sinks.settings import load_settings
from triggers.installer import apply, find_drift, plan_installation
from triggers.migrations import migrations

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

DEFAULT = load_settings(None, environ={}, options={})
LEFT_BY_VERSION_1 = Path(__file__).with_name("version_1.sql")


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    """The owner's connection to a database as version 1 left it."""
    with closing(connect(database, role="test")) as connection:
        create_tables(connection)
        connection.execute(migrations()[0].encode())
        connection.execute(LEFT_BY_VERSION_1.read_bytes())
        connection.execute("RESET check_function_bodies")
        yield connection


def upgrade(owner: psycopg.Connection) -> None:
    apply(owner, plan_installation(owner, DEFAULT))


def events(owner: psycopg.Connection) -> list[Any]:
    return owner.execute("SELECT id, xid, entity, previous, current, detected_at FROM rtp.event ORDER BY id").fetchall()


def test_the_database_is_as_a_new_installation_leaves_it(owner: psycopg.Connection) -> None:
    upgrade(owner)
    assert find_drift(owner, DEFAULT) == []


def test_the_log_keeps_its_events(owner: psycopg.Connection) -> None:
    before = events(owner)
    upgrade(owner)
    assert (len(before), events(owner)) == (3, before)


def test_a_cursor_goes_on_where_it_was(owner: psycopg.Connection, database: str) -> None:
    upgrade(owner)
    with closing(LogReader(DatabaseServer(database), "redis")) as reader:
        reader.open()
        assert [row.current for row in reader.read(10).rows] == ["400"]


def test_a_change_is_still_compared_with_what_was_last_reported(owner: psycopg.Connection) -> None:
    upgrade(owner)
    owner.execute("UPDATE tvl SET tvl_usd = 401")  # by less than a percent
    owner.execute("UPDATE tvl SET tvl_usd = 800")
    assert [row[3:5] for row in events(owner)[3:]] == [(400, 800)]


def test_a_sample_that_waited_waits_in_the_log(owner: psycopg.Connection) -> None:
    upgrade(owner)
    waiting = owner.execute("SELECT what, entity, value FROM rtp.sample").fetchall()
    assert waiting == [("sample", "lido", 500)]


def test_each_event_keeps_its_newest_letter(owner: psycopg.Connection) -> None:
    upgrade(owner)
    letters = [(letter.sequence, letter.error, letter.status) for letter in read_letters(owner)]
    assert letters == [(1, "again", "dead"), (2, "no valid event", "dead")]


def test_a_letter_is_found_by_its_entity_whether_it_was_a_valid_event_or_not(owner: psycopg.Connection) -> None:
    upgrade(owner)
    assert [(letter.kind, letter.entity) for letter in read_letters(owner)] == [("tvl", "lido"), ("tvl", "aave")]


def test_nothing_of_the_judge_in_sql_is_left(owner: psycopg.Connection) -> None:
    upgrade(owner)
    query = "SELECT proname FROM pg_proc WHERE pronamespace = 'rtp'::regnamespace AND proname ~ %s"
    assert owner.execute(query, ["^(terms|rule|judge|take_|put_)"]).fetchall() == []


def test_a_watch_that_the_settings_no_longer_name_leaves_no_function(owner: psycopg.Connection) -> None:
    others = {name: watch for name, watch in DEFAULT.watches.items() if name != "tvl"}
    apply(owner, plan_installation(owner, DEFAULT.model_copy(update={"watches": others})))
    assert owner.execute("SELECT proname FROM pg_proc WHERE proname ~ '_tvl$'").fetchall() == []
