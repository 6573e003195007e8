"""Rows of a time too far ahead, and late ones: they move nothing, are counted, and are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.log.lag import LagAlarm
from core.processor.housekeeping import Housekeeping
from core.settings.models import Settings, postgres_dsn
from tests.command import Command
from tests.judging import judge_until_level, judge_waiting, judging, server_of
from tests.watching import TVL, install, settings_of

COLUMNS = {"chain": "chain", "token": "token", "value": "price", "changed_at": "at"}
LATEST: dict[str, Any] = {"kind": "price", "table": "samples", "percent": 1, "columns": COLUMNS}
HISTORY: dict[str, Any] = LATEST | {"shape": "history"}
BY_SHAPE = {"plain": LATEST, "with a memory": LATEST | {"cooldown": "1ms"}, "history": HISTORY}
QUIET = LagAlarm(settings_of(tvl=TVL).log, (), on_problem=lambda _: None)
Told = list[tuple[str | None, str | None, str]]


@pytest.fixture
def samples(writer: psycopg.Connection) -> psycopg.Connection:
    writer.execute("CREATE TABLE public.samples (chain text, token text, price numeric, at timestamptz)")
    return writer


@pytest.fixture(params=list(BY_SHAPE))
def watched(samples: psycopg.Connection, request: pytest.FixtureRequest) -> psycopg.Connection:
    """A watched table of each way of judging; usdc is at 100."""
    watch = BY_SHAPE[request.param]
    if watch is not HISTORY:
        samples.execute("ALTER TABLE samples ADD UNIQUE (chain, token)")
    install(samples, samples=watch)
    write(samples, "100")
    return samples


def write(connection: psycopg.Connection, price: str, at: str = "now()", entity: str = "usdc") -> None:
    """Write an entity's value, as its table takes it, at a time that SQL makes; whoever judges it has."""
    keys = connection.execute("SELECT FROM pg_constraint WHERE conrelid = 'samples'::regclass").fetchall()
    upsert = " ON CONFLICT (chain, token) DO UPDATE SET (price, at) = (excluded.price, excluded.at)"
    statement = f"INSERT INTO samples VALUES ('base', %s, %s, {at}){upsert if keys else ''}"
    connection.execute(statement.encode(), [entity, price])
    judge_waiting(connection)


def told(connection: psycopg.Connection) -> Told:
    assert connection.execute("SELECT message FROM rtp.trigger_error").fetchall() == []
    return connection.execute("SELECT previous::text, current::text, reason FROM rtp.event ORDER BY id").fetchall()


def aside(connection: psycopg.Connection) -> list[tuple[str, str, str, int]]:
    """What was set aside: why, whose, the last value, and how many rows."""
    return connection.execute("SELECT why, entity, value::text, weight FROM rtp.set_aside ORDER BY id").fetchall()


# Ahead of the clock


def test_a_row_too_far_ahead_moves_nothing_and_is_counted(watched: psycopg.Connection) -> None:
    write(watched, "200", "now() + interval '1 year'")
    write(watched, "150")
    assert (told(watched), aside(watched)) == ([("100", "150", "deviation")], [("future", "usdc", "200", 1)])


@pytest.mark.parametrize(
    "at", ["to_timestamp(extract(epoch FROM now()) * 1000)", "'infinity'", "'9999-12-31 12:00Z'"], ids=str
)
def test_milliseconds_taken_for_seconds_are_far_ahead(watched: psycopg.Connection, at: str) -> None:
    write(watched, "200", at)
    assert (told(watched), aside(watched)) == ([], [("future", "usdc", "200", 1)])


def test_a_writers_clock_may_be_minutes_ahead(watched: psycopg.Connection) -> None:
    write(watched, "200", "clock_timestamp() + interval '4 min 59 s'")
    assert (told(watched), aside(watched)) == ([("100", "200", "deviation")], [])


def test_a_first_sighting_too_far_ahead_is_none(watched: psycopg.Connection) -> None:
    write(watched, "7", "now() + interval '1 hour'", entity="dai")
    write(watched, "8", entity="dai")
    write(watched, "9", entity="dai")
    assert told(watched) == [("8", "9", "deviation")]


def test_what_a_removed_row_of_the_future_held_is_no_baseline(samples: psycopg.Connection) -> None:
    samples.execute("ALTER TABLE samples ADD UNIQUE (chain, token)")
    install(samples, samples=LATEST)
    write(samples, "7", "now() + interval '1 hour'")
    samples.execute("DELETE FROM samples")
    judge_waiting(samples)
    assert told(samples) == []


def test_a_key_that_changes_together_with_a_time_ahead_is_no_deletion(samples: psycopg.Connection) -> None:
    samples.execute("ALTER TABLE samples ADD UNIQUE (chain, token)")
    install(samples, samples=LATEST)
    write(samples, "100")
    samples.execute("UPDATE samples SET price = 200, at = now() + interval '1 hour'")
    samples.execute("UPDATE samples SET price = NULL")
    judge_waiting(samples)
    assert (told(samples), [why for why, *_ in aside(samples)]) == ([], ["future", "future"])


def test_of_many_rows_in_a_statement_those_ahead_are_set_aside(watched: psycopg.Connection) -> None:
    watched.execute(
        "INSERT INTO samples SELECT 'base', 'token ' || n, n, now() + n * interval '1 hour'"
        " FROM generate_series(-1, 200) AS n"
    )
    judge_waiting(watched)
    assert (told(watched), sum(rows for *_, rows in aside(watched))) == ([], 200)
    known = watched.execute("SELECT entity FROM rtp.baseline WHERE entity LIKE 'token%' ORDER BY entity").fetchall()
    assert known == [("token -1",), ("token 0",)]


def test_all_samples_of_one_transaction_may_have_its_time(samples: psycopg.Connection) -> None:
    install(samples, samples=HISTORY)
    samples.execute(
        "INSERT INTO samples VALUES ('base', 'usdc', 100, now()), ('base', 'usdc', 100.1, now() + interval '1 year'),"
        " ('base', 'usdc', 150, now()), ('base', 'usdc', 20, now())"
    )
    judge_waiting(samples)
    assert told(samples) == [("100", "150", "deviation"), ("150", "20", "deviation")]


@pytest.mark.parametrize("off", ["off", False, "0s"])
def test_max_future_can_be_switched_off(samples: psycopg.Connection, off: object) -> None:
    install(samples, samples=HISTORY | {"max_future": off})
    write(samples, "100")
    write(samples, "200", "now() + interval '1 year'")
    assert (told(samples), aside(samples)) == ([("100", "200", "deviation")], [])


@pytest.mark.parametrize("shape", list(BY_SHAPE))
def test_an_installation_takes_no_row_ahead_for_a_baseline(samples: psycopg.Connection, shape: str) -> None:
    samples.execute(
        "INSERT INTO samples VALUES ('base', 'usdc', 100, now()), ('base', 'dai', 7, now() + interval '1 hour'),"
        " ('base', 'dai', 8, now() + interval '2 hours')"
    )
    if shape == "history":
        samples.execute("INSERT INTO samples VALUES ('base', 'usdc', 200, now() + interval '1 hour')")
    else:
        samples.execute("DELETE FROM samples WHERE price = 7; ALTER TABLE samples ADD UNIQUE (chain, token)")
    install(samples, samples=BY_SHAPE[shape])
    assert samples.execute("SELECT entity, value::text FROM rtp.baseline").fetchall() == [("usdc", "100")]
    lines = [("future", "dai", "8", 2), ("future", "usdc", "200", 1)]
    assert aside(samples) == (lines if shape == "history" else [("future", "dai", "8", 1)])


def test_a_long_procedures_own_clock_is_not_ahead(watched: psycopg.Connection) -> None:
    """Its whole run is one statement, whose time stands still; what it writes has the time of the clock."""
    install(watched, samples=setting(watched) | {"max_future": "100ms"})
    watched.execute(
        "DO $$ BEGIN PERFORM pg_sleep(0.3); DELETE FROM samples;"
        " INSERT INTO samples VALUES ('base', 'usdc', 200, clock_timestamp()); END $$"
    )
    judge_waiting(watched)
    assert aside(watched) == []


def setting(connection: psycopg.Connection) -> dict[str, Any]:
    row = connection.execute("SELECT settings FROM rtp.watch WHERE removed_at IS NULL AND name = 'samples'").fetchone()
    assert row is not None
    settings: dict[str, Any] = row[0]
    return settings


# Late


@pytest.fixture
def late(samples: psycopg.Connection) -> psycopg.Connection:
    """A history with three late samples of usdc and one of dai, judged at once."""
    install(samples, samples=HISTORY)
    write(samples, "100")
    write(samples, "100", entity="dai")
    samples.execute(
        "INSERT INTO samples SELECT 'base', 'usdc', n, now() - n * interval '1 min' FROM generate_series(1, 3) AS n"
    )
    samples.execute("INSERT INTO samples VALUES ('base', 'dai', 5, now() - interval '1 min')")
    judge_waiting(samples)
    return samples


def test_late_samples_are_counted_with_the_last_of_them(late: psycopg.Connection) -> None:
    assert (told(late), sorted(aside(late))) == ([], [("late", "dai", "5", 1), ("late", "usdc", "1", 3)])


def test_who_is_killed_counts_no_late_sample_twice(late: psycopg.Connection) -> None:
    late.execute("INSERT INTO samples VALUES ('base', 'dai', 6, now() - interval '2 min')")
    with judging(server_of(late)) as (log, session):
        judge_until_level(log, session)
    judge_waiting(late)
    assert aside(late)[2:] == [("late", "dai", "6", 1)]


def test_of_very_many_late_entities_each_row_is_counted(samples: psycopg.Connection) -> None:
    install(samples, samples=HISTORY)
    for hours in (1, 2):
        samples.execute(
            "INSERT INTO samples SELECT 'base', 'token ' || n, 1, now() - %s * interval '1 hour'"
            " FROM generate_series(1, 450) AS n",
            [hours],
        )
        judge_waiting(samples)
    assert sum(rows for *_, rows in aside(samples)) == 450
    assert len(aside(samples)) < 450


# What is shown, and kept


def test_many_lines_of_an_entity_become_one(late: psycopg.Connection) -> None:
    late.execute(
        "INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at)"
        " SELECT watch, 'late', 'base', 'usdc', n, now() FROM rtp.set_aside, generate_series(1, 1000) AS n"
        " WHERE entity = 'dai'"
    )
    Housekeeping(QUIET).do_what_is_due(late)
    assert sorted(aside(late)) == [("late", "dai", "5", 1), ("late", "usdc", "1000", 1003)]


def test_of_very_many_entities_the_oldest_lines_become_one(late: psycopg.Connection) -> None:
    late.execute(
        "INSERT INTO rtp.set_aside (watch, why, chain, entity, value, at)"
        " SELECT 1, 'late', 'base', 'token ' || n, n, now() FROM generate_series(1, 1300) AS n"
    )
    for _ in range(2):
        Housekeeping(QUIET).do_what_is_due(late)
        assert late.execute("SELECT count(*), sum(weight) FROM rtp.set_aside WHERE watch = 1").fetchone() == (
            1001,
            1300,
        )
    most = late.execute("SELECT entity, weight FROM rtp.set_aside ORDER BY weight DESC LIMIT 1").fetchone()
    assert most == ("token 300", 300)


def test_writers_without_anybody_who_tidies_up_leave_no_more_than_some_thousand_lines(
    samples: psycopg.Connection,
) -> None:
    samples.execute("INSERT INTO rtp.set_aside (watch, why, chain, entity) VALUES (1, 'future', 'base', 'x')")
    samples.execute("ALTER TABLE rtp.set_aside ALTER id RESTART 20000")
    samples.execute("INSERT INTO rtp.set_aside (watch, why, chain, entity) VALUES (1, 'future', 'base', 'y')")
    lines = samples.execute("SELECT rtp.set_aside_line() FROM generate_series(1, 10000)").fetchall()
    assert (len(lines) < 100, set(lines)) == (True, {(1000,)})


def test_an_old_line_does_not_have_writers_leave_out_new_ones_once_the_lines_between_have_become_few(
    samples: psycopg.Connection,
) -> None:
    samples.execute("INSERT INTO rtp.set_aside (watch, why, chain, entity) VALUES (1, 'late', 'base', 'x')")
    samples.execute("ALTER TABLE rtp.set_aside ALTER id RESTART 20000")
    samples.execute("INSERT INTO rtp.set_aside (watch, why, chain, entity) VALUES (1, 'future', 'base', 'y')")
    Housekeeping(QUIET).do_what_is_due(samples)
    assert samples.execute("SELECT count(*), sum(weight) FROM rtp.set_aside").fetchone() == (2, 2)
    assert samples.execute("SELECT rtp.set_aside_line()").fetchall() == [(1,)]


@pytest.fixture
def shown(late: psycopg.Connection, command: Command, installed: Settings) -> Callable[..., Any]:
    """What a command of rtp says of the late samples, and of one ahead."""
    write(late, "300", "now() + interval '1 hour'")

    def run(name: str, *arguments: str) -> Any:
        done = command(name, "--postgres-dsn", postgres_dsn(installed), "--json", *arguments)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return run


def test_status_tells_how_many_and_the_last(shown: Callable[..., Any]) -> None:
    found = shown("status")["set_aside"]
    assert [(line["watch"], line["why"], line["rows"], line["entity"], line["value"]) for line in found] == [
        ("samples", "future", 1, "usdc", "300"),
        ("samples", "late", 4, "usdc", "1"),
    ]


def test_explain_tells_what_of_an_entity_and_the_time_of_its_newest_sample(shown: Callable[..., Any]) -> None:
    (entity,) = shown("explain", "--kind", "price", "--token", "usdc")["entities"]
    assert [(row["why"], row["value"]) for row in entity["set_aside"]] == [("future", "300"), ("late", "1")]
    newest = datetime.fromisoformat(entity["state"]["sampled_at"])
    assert datetime.now(UTC) - newest < timedelta(minutes=1)


def test_explain_concludes_that_a_row_of_the_future_was_set_aside(
    watched: psycopg.Connection, command: Command, installed: Settings
) -> None:
    write(watched, "200", "now() + interval '1 hour'")
    write(watched, "7", "now() + interval '1 hour'", entity="dai")
    watch = setting(watched)
    found = {}
    for name in ("usdc", "dai"):
        done = command(
            "explain", "--postgres-dsn", postgres_dsn(installed), "--kind", "price", "--token", name, "--json"
        )
        (entity,) = done.document["entities"]
        found[name] = entity["conclusion"]["outcome"]
    # Of a history the newest sample that counts is told.
    assert found == {"usdc": "unchanged" if watch.get("shape") == "history" else "set_aside", "dai": "set_aside"}


def test_what_has_only_rows_ahead_is_explained_too(
    samples: psycopg.Connection, command: Command, installed: Settings
) -> None:
    install(samples, samples=HISTORY)
    write(samples, "7", "now() + interval '1 hour'")
    done = command("explain", "--postgres-dsn", postgres_dsn(installed), "--kind", "price", "--token", "usdc")
    assert (done.code, "future" in done.out) == (0, True)


def test_a_watch_that_goes_takes_its_lines_along(late: psycopg.Connection) -> None:
    install(late, tvl=TVL)
    assert aside(late) == []
