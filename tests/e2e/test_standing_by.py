"""What a standby does while another `rtp run` leads: nothing, and it says so. One pair for all of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from core.services.postgres import connect
from core.settings.models import Settings, postgres_dsn
from tests.eventually import eventually
from tests.rtp_process import RtpProcess, environ_of, rtp
from tests.standbys import PATIENT_SECONDS, in_log, in_stream, run, two_running, write

if TYPE_CHECKING:
    Pair = tuple[RtpProcess, RtpProcess]

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def pair(shared_settings: Settings, shared_config: str) -> Iterator[Pair]:
    """A leader and its standby."""
    with two_running(shared_settings, shared_config) as both:
        yield both


@pytest.fixture
def writer(shared_settings: Settings) -> Iterator[psycopg.Connection]:
    """A connection of someone who writes to the watched tables, in autocommit mode."""
    with closing(connect(postgres_dsn(shared_settings), role="test")) as connection:
        yield connection


def test_the_second_stands_by_and_says_who_leads(pair: Pair) -> None:
    leader, standby = pair
    assert f"(pid {leader.process.pid}) leads, and this one takes over when it ends" in standby.err


def test_a_standby_delivers_nothing(pair: Pair, shared_settings: Settings, writer: psycopg.Connection) -> None:
    for value in range(1, 20):
        write(writer, value)
    eventually(lambda: set(in_stream(shared_settings)) == set(in_log(writer)), within_seconds=PATIENT_SECONDS)
    assert {sink["delivered"] for document in pair[1].documents for sink in document["sinks"]} == {0}


def test_the_status_shows_who_leads_and_who_stands_by(
    pair: Pair, shared_settings: Settings, shared_config: str
) -> None:
    leader, standby = pair
    with rtp("status", "-c", shared_config, "--json", environ=environ_of(shared_settings)) as process:
        assert process.end() == 0
        (document,) = process.documents
    leading = document["leader"]
    assert (leading["pid"], leading["is_leading"]) == (leader.process.pid, True)
    assert [one.partition("@")[0] for one in leading["standbys"]] == [str(standby.process.pid)]


def test_a_standby_does_not_keep_the_leader_awake(
    pair: Pair, shared_settings: Settings, writer: psycopg.Connection
) -> None:
    leader, _ = pair
    eventually(lambda: leader.documents[-1]["is_asleep"], within_seconds=PATIENT_SECONDS)
    before = len(in_stream(shared_settings))
    write(writer, 21)
    write(writer, 22)
    # Far below the fallback poll: the sleeper was woken.
    eventually(lambda: len(in_stream(shared_settings)) > before, within_seconds=4)


def test_a_standby_ends_when_its_time_is_over(pair: Pair, shared_settings: Settings, shared_config: str) -> None:
    with run(shared_settings, shared_config, "--for", "1s") as third:
        assert third.end() == 0


def test_a_cursor_is_not_reset_while_a_standby_could_take_over(
    pair: Pair, shared_settings: Settings, shared_config: str
) -> None:
    arguments = ("reset-cursor", "--sink", "redis", "--to", "latest", "-c", shared_config)
    with rtp(*arguments, environ=environ_of(shared_settings)) as process:
        assert (process.end(), "rtp run is active" in process.err) == (2, True)
