"""The alarm when a sink falls behind: named once when it starts, once when it ends, and a cursor that nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from core.log.lag import LagAlarm
from core.log.reader import LogReader
from core.processor.build import build_pipeline, postgres_server
from core.settings.models import LogSettings, Settings
from tests.eventually import eventually

SOON = LogSettings(alarm_after_seconds=60)


@pytest.fixture
def reader(installed: Settings) -> Iterator[LogReader]:
    with closing(LogReader(postgres_server(installed), "redis")) as reader:
        reader.open()
        yield reader


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def check(writer: psycopg.Connection, told: list[str]) -> Callable[[LogSettings], list[str]]:
    """What one alarm for the sink redis has said so far, after another look."""
    alarms: dict[LogSettings, LagAlarm] = {}

    def look(settings: LogSettings = SOON) -> list[str]:
        alarm = alarms.setdefault(settings, LagAlarm(settings, ["redis"], on_problem=lambda one: told.append(str(one))))
        alarm.check(writer)
        return told

    return look


def append(connection: psycopg.Connection, count: int = 1, *, age_seconds: int = 0) -> None:
    connection.execute(
        "INSERT INTO rtp.event (watch, chain, entity, current, reason, confidence, changed_at, detected_at)"
        " SELECT 1, 'ethereum', 'lido', n, 'deviation', 1, now(), now() - make_interval(secs => %s)"
        " FROM generate_series(1, %s) AS n",
        [age_seconds, count],
    )


def deliver_all(reader: LogReader) -> None:
    while (chunk := reader.read(1000)).rows:
        reader.advance(chunk)
        reader.save()
    reader.advance(chunk)
    reader.save()


Check = Callable[..., list[str]]


def test_a_sink_in_time_is_not_named(reader: LogReader, writer: psycopg.Connection, check: Check) -> None:
    append(writer, age_seconds=30)
    assert check() == []


def test_a_sink_behind_the_set_age_is_named(reader: LogReader, writer: psycopg.Connection, check: Check) -> None:
    append(writer, age_seconds=90)
    (line,) = check()
    assert line.startswith("sink redis is behind: its oldest event waits for 90 s")


def test_a_sink_behind_the_set_size_is_named(reader: LogReader, writer: psycopg.Connection, check: Check) -> None:
    append(writer, 10_000)
    (line,) = check(LogSettings(alarm_after_bytes=500_000))
    assert line.startswith("sink redis is behind")


def test_it_is_named_once(reader: LogReader, writer: psycopg.Connection, check: Check) -> None:
    append(writer, age_seconds=90)
    check()
    assert len(check()) == 1


def test_its_recovery_is_named_once(reader: LogReader, writer: psycopg.Connection, check: Check) -> None:
    append(writer, age_seconds=90)
    check()
    deliver_all(reader)
    check()
    _, line = check()
    assert line.startswith("sink redis has caught up")


def test_a_sink_at_the_limit_has_not_caught_up(reader: LogReader, writer: psycopg.Connection, check: Check) -> None:
    append(writer, age_seconds=90)
    check()
    deliver_all(reader)
    append(writer, age_seconds=50)
    assert len(check()) == 1


def test_an_old_event_of_a_transaction_that_ended_late_counts(
    reader: LogReader,
    writer: psycopg.Connection,
    connect_again: Callable[[], psycopg.Connection],
    check: Check,
) -> None:
    with connect_again() as slow, slow.transaction():
        append(slow, age_seconds=90)
        append(writer)
        deliver_all(reader)
        before = list(check())
    assert (before, len(check())) == ([], 1)


def test_a_cursor_of_a_sink_that_is_not_configured_is_named_once(installed: Settings, check: Check) -> None:
    with closing(LogReader(postgres_server(installed), "kafka")) as unused:
        unused.open()
    check()
    (line,) = check()
    assert line == (
        "sink kafka has a cursor but is not configured, and the log is kept for it. "
        "If it is no longer used, run `rtp reset-cursor --sink kafka --forget`"
    )


def test_rtp_run_names_what_is_behind_and_that_it_has_caught_up(
    settings: Settings, writer: psycopg.Connection, reader: LogReader, told: list[str]
) -> None:
    append(writer, age_seconds=1000)
    pipeline = build_pipeline(settings.model_copy(update={"log": SOON}), on_problem=lambda one: told.append(str(one)))
    pipeline.election.start()
    pipeline.judge.start()  # the sinks come later, as after a long start
    try:
        eventually(lambda: any("redis is behind" in line for line in told))
        for delivery in pipeline.deliveries:
            delivery.start()
        eventually(lambda: any("redis has caught up" in line for line in told))
    finally:
        pipeline.stop()
