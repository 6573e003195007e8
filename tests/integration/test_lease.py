"""The lease in rtp.leader's row: who can take it, from whom, and who cannot."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from core.errors import NotInstalled, RunningError
from core.leading.election import Election
from core.leading.epoch import Epochs
from core.leading.leader_row import Silence, keeping_leaders_away, look, take_the_lead
from core.log.installation import SCHEMA_VERSION
from core.problem import Problem
from core.processor.build import postgres_server
from core.services.postgres import connect
from core.settings.models import Settings
from tests.clock import Clock
from tests.cut import cut
from tests.eventually import eventually
from tests.recoveries import quiet_recovery

Connect = Callable[[], psycopg.Connection]
LEASE_SECONDS = 0.6


@pytest.fixture
def one(connect_again: Connect) -> psycopg.Connection:
    return connect_again()


@pytest.fixture
def other(connect_again: Connect) -> psycopg.Connection:
    return connect_again()


# One statement, on the condition of what was seen


def test_of_two_who_saw_the_same_one_takes_the_lead(one: psycopg.Connection, other: psycopg.Connection) -> None:
    seen = look(one), look(other)
    assert take_the_lead(one, seen[0], lease_seconds=5) == 1
    assert take_the_lead(other, seen[1], lease_seconds=5) is None


def test_of_two_who_take_it_at_once_the_second_waits_and_gets_nothing(
    one: psycopg.Connection, other: psycopg.Connection
) -> None:
    seen = look(other)
    with one.transaction():
        take_the_lead(one, look(one), lease_seconds=5)
        other.execute("SET lock_timeout TO '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            take_the_lead(other, seen, lease_seconds=5)
    assert take_the_lead(other, seen, lease_seconds=5) is None


def test_a_sign_of_life_since_the_look_keeps_the_lead(one: psycopg.Connection, other: psycopg.Connection) -> None:
    take_the_lead(one, look(one), lease_seconds=5)
    seen = look(other)
    one.execute("UPDATE rtp.leader SET renewed_at = clock_timestamp()")
    assert take_the_lead(other, seen, lease_seconds=5) is None


def test_a_new_epoch_is_above_the_one_that_was_met_elsewhere(one: psycopg.Connection) -> None:
    assert take_the_lead(one, look(one), lease_seconds=5, above=1000) == 1001


# The session that has it


def test_the_lead_ends_with_the_session(one: psycopg.Connection, other: psycopg.Connection) -> None:
    take_the_lead(one, look(one), lease_seconds=5)
    assert look(other).has_session
    one.close()
    eventually(lambda: not look(other).has_session)


def test_a_process_id_that_was_given_to_somebody_else_has_no_lead(
    one: psycopg.Connection, other: psycopg.Connection
) -> None:
    take_the_lead(one, look(one), lease_seconds=5)
    other.execute("UPDATE rtp.leader SET backend_start = backend_start - interval '1 hour'")
    assert not look(other).has_session


# Silence


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("core.leading.leader_row.clock", clock)
    return clock


def test_silence_lasts_from_the_last_sign_of_life(
    one: psycopg.Connection, other: psycopg.Connection, clock: Clock
) -> None:
    take_the_lead(one, look(one), lease_seconds=5)
    silence = Silence()
    for _ in range(10):
        silence.note(look(other))
        clock.now += 1
    assert silence.seconds == 9


@pytest.mark.parametrize("step", [timedelta(days=-1), timedelta(days=1)])
def test_a_server_whose_clock_steps_deposes_nobody(
    one: psycopg.Connection, other: psycopg.Connection, clock: Clock, step: timedelta
) -> None:
    take_the_lead(one, look(one), lease_seconds=5)
    silence = Silence()
    for _ in range(10):
        silence.note(look(other))
        clock.now += 1
        one.execute("UPDATE rtp.leader SET renewed_at = renewed_at + %s", [step])
    assert silence.seconds == 0


def test_a_standby_that_stood_still_itself_begins_to_count_anew(
    one: psycopg.Connection, other: psycopg.Connection, clock: Clock
) -> None:
    take_the_lead(one, look(one), lease_seconds=5)
    silence = Silence()
    silence.note(look(other))
    clock.now += 60
    silence.note(look(other))
    assert silence.seconds == 0


# Whole elections


class Campaign:
    """An election of its own, and what it tells."""

    def __init__(self, settings: Settings) -> None:
        self.problems: list[Problem] = []
        self.epochs = Epochs()
        self.election = Election(
            postgres_server(settings),
            self.epochs,
            lease_seconds=LEASE_SECONDS,
            recovery=quiet_recovery(),
            on_problem=self.problems.append,
        )

    @property
    def role(self) -> str:
        return self.election.status().role


@contextmanager
def campaigns(settings: Settings, number: int) -> Iterator[list[Campaign]]:
    with ExitStack() as stops:
        running = [Campaign(settings) for _ in range(number)]
        for campaign in running:
            campaign.election.start()
            stops.callback(campaign.election.stop)
        yield running


def leaders(running: list[Campaign]) -> list[Campaign]:
    return [campaign for campaign in running if campaign.role == "leader"]


def all_settled(running: list[Campaign]) -> bool:
    return sorted(campaign.role for campaign in running) == ["leader"] + ["standby"] * (len(running) - 1)


def test_of_many_standbys_exactly_one_follows_a_leader_whose_session_was_cut(
    installed: Settings, writer: psycopg.Connection
) -> None:
    with campaigns(installed, 4) as running:
        for _ in range(3):
            eventually(lambda: all_settled(running), within_seconds=20)
            epoch = look(writer).epoch
            cut(writer, named="rtp leader")
            began_at = time.monotonic()
            eventually(lambda: look(writer).has_session, within_seconds=20)
            print(f"cut to the next epoch: {time.monotonic() - began_at:.2f} s")  # noqa: T201
            assert look(writer).epoch == epoch + 1


def test_a_leader_that_does_not_renew_is_followed_and_its_session_ended(
    installed: Settings, writer: psycopg.Connection, one: psycopg.Connection
) -> None:
    take_the_lead(one, look(one), lease_seconds=LEASE_SECONDS)
    with campaigns(installed, 2) as running:
        eventually(lambda: all_settled(running), within_seconds=20)
        assert look(writer).epoch == 2
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT 1")


def test_a_role_without_rights_in_the_schema_cannot_lead(installed: Settings, weak_login: str) -> None:
    with closing(connect(weak_login, role="test")) as stranger, pytest.raises(psycopg.errors.InsufficientPrivilege):
        look(stranger)
    as_stranger = installed.postgres.model_copy(update={"dsn": weak_login})
    with campaigns(installed.model_copy(update={"postgres": as_stranger}), 1) as (campaign,):
        assert isinstance(eventually(lambda: campaign.election.failure), NotInstalled)


def test_a_role_that_may_only_read_does_not_stand_by_as_if_it_could_lead(
    installed: Settings, writer: psycopg.Connection, weak_login: str
) -> None:
    role = sql.Identifier(urlsplit(weak_login).username or "")
    grant = "GRANT USAGE ON SCHEMA rtp TO {0}; GRANT SELECT ON ALL TABLES IN SCHEMA rtp TO {0}"
    writer.execute(sql.SQL(grant).format(role))
    as_reader = installed.postgres.model_copy(update={"dsn": weak_login})
    with campaigns(installed.model_copy(update={"postgres": as_reader}), 1) as (campaign,):
        trouble = eventually(lambda: campaign.election.status().trouble)
        assert "may not write to rtp.leader" in trouble
        assert campaign.role == "starting"
    writer.execute(sql.SQL("DROP OWNED BY {}").format(role))


def test_leader_and_standby_end_where_the_schema_is_migrated_by_somebody_who_may_not_end_their_sessions(
    installed: Settings, writer: psycopg.Connection
) -> None:
    with campaigns(installed, 2) as running:
        eventually(lambda: all_settled(running), within_seconds=20)
        (leader,) = leaders(running)
        writer.execute("UPDATE rtp.installation SET schema_version = 99, installed_by = '9.9.9'")
        eventually(lambda: all(campaign.election.failure for campaign in running))
        assert {str(campaign.election.failure) for campaign in running} == {
            f"the database has rtp schema version 99, this rtp needs {SCHEMA_VERSION}."
            " rtp 9.9.9 has migrated it: start that one, which delivers what waits in the log"
        }
        assert not leader.epochs.is_on


# Commands that keep leaders away


def test_nobody_leads_while_a_command_keeps_leaders_away_and_the_standby_says_who(
    installed: Settings, writer: psycopg.Connection
) -> None:
    with ExitStack() as stops:
        with keeping_leaders_away(writer):
            (campaign,) = stops.enter_context(campaigns(installed, 1))
            told = eventually(lambda: campaign.problems)
            assert str(told[0]).startswith("standby: nobody leads: a command of rtp on ")
            assert campaign.election.status().trouble
        eventually(lambda: campaign.role == "leader")
        assert campaign.election.status().trouble == ""


def test_a_command_does_not_begin_while_somebody_leads(installed: Settings, writer: psycopg.Connection) -> None:
    with campaigns(installed, 1) as running:
        eventually(lambda: leaders(running))
        with pytest.raises(RunningError, match="rtp run is active on this database"), keeping_leaders_away(writer):
            pass


def test_two_commands_do_not_work_at_once(one: psycopg.Connection, other: psycopg.Connection) -> None:
    with (
        keeping_leaders_away(one),
        pytest.raises(RunningError, match="another command of rtp is at work"),
        keeping_leaders_away(other),
    ):
        pass
    with keeping_leaders_away(other):
        pass


def test_a_command_that_was_killed_keeps_nobody_away(one: psycopg.Connection, other: psycopg.Connection) -> None:
    with keeping_leaders_away(one):
        one.close()
        eventually(lambda: not look(other).has_session)


def test_a_command_may_remove_the_schema_meanwhile(one: psycopg.Connection) -> None:
    with keeping_leaders_away(one):
        one.execute("DROP SCHEMA rtp CASCADE")
