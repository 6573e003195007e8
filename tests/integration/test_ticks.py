"""What time alone brings about: heartbeats, the end of a cooldown or a quarantine; also where nobody writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from core.processor.build import build_pipeline
from core.settings.models import Settings
from tests import tvl_table
from tests.eventually import eventually
from tests.judging import judge_ticks, judge_waiting
from tests.watching import TVL, install

Told = list[tuple[str | None, str | None, str]]
Watch = Callable[..., psycopg.Connection]


@pytest.fixture
def watch(writer: psycopg.Connection) -> Watch:
    """Watches tvl by these rules; lido is at 100 and has been seen."""

    def watch_by(**rules: Any) -> psycopg.Connection:
        install(writer, tvl={**TVL, "percent": 1, **rules})
        write(writer, 100)
        return writer

    return watch_by


def write(connection: psycopg.Connection, *values: int | None) -> None:
    tvl_table.write(connection, *values)
    judge_waiting(connection)


def let_time_pass(connection: psycopg.Connection, seconds: int) -> None:
    """Everything rtp remembers happened so much earlier."""
    connection.execute(
        "UPDATE rtp.baseline SET reported_at = reported_at - make_interval(secs => %(s)s),"
        " suspect_since = suspect_since - make_interval(secs => %(s)s), due_at = due_at - make_interval(secs => %(s)s),"
        " sampled_at = sampled_at - make_interval(secs => %(s)s)",
        {"s": seconds},
    )


def told(connection: psycopg.Connection) -> Told:
    return connection.execute("SELECT previous::text, current::text, reason FROM rtp.event ORDER BY id").fetchall()


# Heartbeat


def test_a_heartbeat_reports_what_nobody_wrote(watch: Watch) -> None:
    connection = watch(heartbeat="10m")
    let_time_pass(connection, 601)
    judge_ticks(connection)
    assert told(connection) == [("100", "100", "heartbeat")]


def test_before_its_time_there_is_no_heartbeat(watch: Watch) -> None:
    connection = watch(heartbeat="10m")
    let_time_pass(connection, 590)
    judge_ticks(connection)
    assert told(connection) == []


def test_one_silence_is_one_heartbeat(watch: Watch) -> None:
    connection = watch(heartbeat="10m")
    let_time_pass(connection, 601)
    judge_ticks(connection)
    judge_ticks(connection)
    assert told(connection) == [("100", "100", "heartbeat")]


def test_a_heartbeat_tells_the_value_of_now(watch: Watch) -> None:
    connection = watch(heartbeat="10m", percent=50)
    write(connection, 120)
    let_time_pass(connection, 601)
    judge_ticks(connection)
    assert told(connection) == [("100", "120", "heartbeat")]


def test_an_event_starts_the_silence_anew(watch: Watch) -> None:
    connection = watch(heartbeat="10m")
    let_time_pass(connection, 590)
    write(connection, 110)
    let_time_pass(connection, 20)
    judge_ticks(connection)
    assert told(connection) == [("100", "110", "deviation")]


def test_an_entity_that_is_gone_has_no_heartbeat(watch: Watch) -> None:
    connection = watch(heartbeat="10m")
    connection.execute("DELETE FROM tvl")
    judge_waiting(connection)
    let_time_pass(connection, 601)
    judge_ticks(connection)
    assert told(connection) == [("100", None, "deleted")]


def test_a_running_rtp_drives_the_heartbeat_of_a_table_that_nobody_writes(
    writer: psycopg.Connection, settings: Settings
) -> None:
    install(writer, tvl={**TVL, "heartbeat": "1s"})
    write(writer, 100)
    pipeline = build_pipeline(settings, on_problem=lambda _: None)
    pipeline.start()
    try:
        assert eventually(lambda: len(told(writer)) >= 2)
    finally:
        pipeline.stop()
    assert set(told(writer)) == {("100", "100", "heartbeat")}


# Cooldown


def test_within_a_cooldown_nothing_more_is_reported(watch: Watch) -> None:
    connection = watch(cooldown="5m")
    let_time_pass(connection, 301)
    write(connection, 110, 120)
    assert told(connection) == [("100", "110", "deviation")]


def test_the_end_of_a_cooldown_reports_what_it_held_back(watch: Watch) -> None:
    connection = watch(cooldown="5m")
    let_time_pass(connection, 301)
    write(connection, 110, 120)
    let_time_pass(connection, 301)
    judge_ticks(connection)
    assert told(connection)[1:] == [("110", "120", "deviation")]


def test_what_went_back_during_a_cooldown_is_not_reported(watch: Watch) -> None:
    connection = watch(cooldown="5m")
    let_time_pass(connection, 301)
    write(connection, 110, 120, 110)
    let_time_pass(connection, 301)
    judge_ticks(connection)
    assert told(connection) == [("100", "110", "deviation")]


# Quarantine

GUARD = {"factor": 10, "confirmations": 2, "release_after": "1h"}


def quarantine(connection: psycopg.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT what, value::text FROM rtp.quarantine ORDER BY id").fetchall()


def test_a_jump_is_held_back(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 5000)
    assert (told(connection), quarantine(connection)) == ([], [("quarantined", "5000")])


def test_a_jump_that_stays_is_confirmed(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 5000, 5001, 5002)
    assert told(connection) == [("100", "5002", "deviation")]


def test_a_jump_that_goes_is_dismissed(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 5000, 100)
    assert (told(connection), quarantine(connection)[-1]) == ([], ("dismissed", "5000"))


def test_a_jump_that_nobody_contradicts_is_released_after_its_time(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 5000)
    let_time_pass(connection, 3601)
    judge_ticks(connection)
    assert (told(connection), quarantine(connection)[-1]) == (
        [("100", "5000", "deviation")],
        ("released", "5000"),
    )


def test_before_its_time_a_jump_is_not_released(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 5000)
    let_time_pass(connection, 3500)
    judge_ticks(connection)
    assert told(connection) == []


def test_a_row_deleted_in_quarantine_is_reported_with_its_last_reported_value(watch: Watch) -> None:
    connection = watch(glitch_guard=GUARD)
    write(connection, 5000)
    connection.execute("DELETE FROM tvl")
    judge_waiting(connection)
    let_time_pass(connection, 3601)
    judge_ticks(connection)
    assert told(connection) == [("100", None, "deleted")]
