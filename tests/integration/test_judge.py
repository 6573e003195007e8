"""The judge of the sample log: nothing is lost and nothing judged twice, whoever dies, takes over or installs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import sql

from core.detection.judge import judge as rule_book
from core.detection.state import EntityState, Judgement, Sample
from core.errors import LeadershipLost
from core.judging import states
from core.judging.ledger import Overtaken
from core.judging.loop import JudgeLoop
from core.judging.sample_log import SampleLog
from core.judging.session import JudgeSession
from core.leading.epoch import UNFENCED, Epochs
from core.problem import Problem
from core.services import prepared
from core.services.postgres import DatabaseServer
from core.services.recovery import Recovery
from core.settings.rules import Rule
from rtp_client.postgres import TimedConnection, answer_to_sent, answers_to_pipeline
from tests.eventually import eventually
from tests.judging import judge_ticks, judge_until_level, judge_waiting, judging, server_of
from tests.recoveries import quiet_recovery
from tests.tvl_table import write
from tests.watching import TVL, install

Connect = Callable[[], psycopg.Connection]
Told = list[tuple[str, str | None, str | None, str]]
GUARDED: dict[str, Any] = {**TVL, "percent": 1, "glitch_guard": {"factor": 10, "confirmations": 2}}
COLUMNS: dict[str, Any] = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd"}
PLAIN: dict[str, Any] = {**TVL, "percent": 1}


@pytest.fixture
def watched(writer: psycopg.Connection) -> psycopg.Connection:
    """A table of which every row is a sample; lido and aave are at 100 and have been seen."""
    install(writer, tvl=GUARDED)
    write(writer, 100)
    write(writer, 100, entity="aave")
    judge_waiting(writer)
    return writer


def delete(connection: psycopg.Connection, entity: str) -> None:
    connection.execute("DELETE FROM tvl WHERE protocol = %s", [entity])


def told(connection: psycopg.Connection) -> Told:
    return connection.execute(
        "SELECT entity, previous::text, current::text, reason FROM rtp.event ORDER BY id"
    ).fetchall()


def remembered(connection: psycopg.Connection, entity: str = "lido") -> tuple[str | None, str | None] | None:
    """An entity's baseline and newest value."""
    return connection.execute(
        "SELECT value::text, last_value::text FROM rtp.baseline WHERE entity = %s", [entity]
    ).fetchone()


# Whoever dies


class Killed(BaseException):
    """What happens to a process that gets SIGKILL: nothing more."""


def die_at(step: int, monkeypatch: pytest.MonkeyPatch, connection: psycopg.Connection) -> bool:
    """Judge with a judge that is gone before its nth exchange with the server; false where there are fewer."""
    steps = count(1)

    def unless_killed(exchange: Callable[..., Any]) -> Callable[..., Any]:
        def exchange_unless_killed(connection: TimedConnection, *args: Any, **keys: Any) -> Any:
            if next(steps) == step:
                connection.pgconn.finish()
                raise Killed
            return exchange(connection, *args, **keys)

        return exchange_unless_killed

    with monkeypatch.context() as patch:
        patch.setattr(TimedConnection, "wait", unless_killed(TimedConnection.wait))
        patch.setattr(prepared, "answer_to_sent", unless_killed(answer_to_sent))
        patch.setattr(prepared, "answers_to_pipeline", unless_killed(answers_to_pipeline))
        try:
            judge_ticks(connection)
        except Killed:
            return True
    return False


def test_wherever_the_judge_dies_each_event_comes_once(
    watched: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: Told = []
    is_killed, value = True, 100
    for step in count(1):
        write(watched, 2 * value)
        write(watched, "100.2", entity="aave")
        delete(watched, "aave")
        write(watched, 100, entity="aave")
        expected += [("aave", "100", None, "deleted"), ("lido", f"{value}", f"{2 * value}", "deviation")]
        value *= 2
        is_killed = die_at(step, monkeypatch, watched)
        judge_waiting(watched)
        assert told(watched) == expected, f"killed at step {step}"
        assert remembered(watched, "aave") == ("100", "100")
        if not is_killed:
            break
    assert step > 10


def test_what_a_judge_had_sent_when_it_gave_up_waiting_is_not_committed_later(watched: psycopg.Connection) -> None:
    dsn = server_of(watched).dsn

    def is_there(backend: int) -> bool:
        return watched.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone() is not None

    def waiting() -> list[int]:
        found = "SELECT pid FROM pg_locks WHERE relation = 'rtp.event'::regclass AND NOT granted"
        return [pid for (pid,) in watched.execute(found).fetchall()]

    with closing(psycopg.connect(dsn)) as locker, ThreadPoolExecutor(1) as another:
        with judging(DatabaseServer(dsn, answer_seconds=0.5)) as (log, session):
            write(watched, 150)
            judge_until_level(log, session)
            write(watched, 190)
            locker.execute("LOCK TABLE rtp.event IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(psycopg.OperationalError, match="no answer"):
                judge_until_level(log, session)
        (given_up,) = waiting()
        again = another.submit(judge_waiting, watched)
        eventually(lambda: len(waiting()) == 2)
        locker.commit()
        again.result(60)
    eventually(lambda: not is_there(given_up))
    assert [event[2] for event in told(watched)] == ["150", "190"]


def test_wherever_the_judge_dies_a_heartbeat_comes_once(
    watched: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(watched, tvl={**GUARDED, "heartbeat": "1h"})
    judge_ticks(watched)
    for step in count(1):
        watched.execute("DELETE FROM rtp.event")
        watched.execute("UPDATE rtp.baseline SET reported_at = reported_at - '2h'::interval, due_at = now()")
        is_killed = die_at(step, monkeypatch, watched)
        judge_ticks(watched)
        assert sorted(told(watched)) == [(e, "100", "100", "heartbeat") for e in ("aave", "lido")], f"step {step}"
        if not is_killed:
            break
    assert step > 10


def test_what_was_in_memory_alone_is_judged_again(watched: psycopg.Connection) -> None:
    write(watched, "100.5")
    with judging(server_of(watched)) as (log, session):
        judge_until_level(log, session)
        assert session.has_unwritten
    assert judge_waiting(watched) == 1
    assert remembered(watched) == ("100", "100.5")


def test_what_no_rule_has_anything_to_say_of_is_written_down_later(watched: psycopg.Connection) -> None:
    with judging(server_of(watched)) as (log, session):
        write(watched, "100.4", "100.5")
        judge_until_level(log, session)
        before = remembered(watched)
        session.flush()
        assert (before, remembered(watched)) == (("100", "100"), ("100", "100.5"))


def test_an_event_is_written_down_at_once(watched: psycopg.Connection) -> None:
    with judging(server_of(watched)) as (log, session):
        write(watched, 110)
        judge_until_level(log, session)
        assert told(watched) == [("lido", "100", "110", "deviation")]


# Whoever takes over


def test_a_standby_goes_on_from_the_same_place(watched: psycopg.Connection) -> None:
    with judging(server_of(watched), epoch=1) as (log, session):
        write(watched, 110, "110.5")
        judge_until_level(log, session)
        write(watched, "111.5")
    with judging(server_of(watched), epoch=2) as (log, session):
        judge_until_level(log, session)
    assert told(watched) == [("lido", "100", "110", "deviation"), ("lido", "110", "111.5", "deviation")]


def test_who_has_lost_the_lead_judges_nothing_more(watched: psycopg.Connection) -> None:
    with judging(server_of(watched), epoch=1) as (log, session):
        write(watched, "100.5")
        judge_until_level(log, session)
        write(watched, 110)
        with judging(server_of(watched), epoch=2) as (new_log, new_session):
            judge_until_level(new_log, new_session)
        with pytest.raises(LeadershipLost):
            judge_until_level(log, session)
    assert told(watched) == [("lido", "100", "110", "deviation")]


def test_who_has_lost_the_lead_keeps_no_appointment(watched: psycopg.Connection) -> None:
    install(watched, tvl={**GUARDED, "heartbeat": "1h"})
    with judging(server_of(watched), epoch=1) as (log, session), judging(server_of(watched), epoch=2):
        judge_until_level(log, session)
        watched.execute("UPDATE rtp.baseline SET reported_at = reported_at - '2h'::interval, due_at = now()")
        with pytest.raises(LeadershipLost):
            session.keep_appointments()
    assert told(watched) == []


# Whoever installs


def test_samples_are_judged_by_the_rules_of_now(watched: psycopg.Connection) -> None:
    with judging(server_of(watched)) as (log, session):
        judge_until_level(log, session)
        install(watched, tvl={**GUARDED, "percent": 50})
        write(watched, 110)
        with pytest.raises(Overtaken):
            judge_until_level(log, session)
    judge_waiting(watched)
    assert told(watched) == []


def test_what_an_installation_has_made_of_a_baseline_stays(watched: psycopg.Connection) -> None:
    with judging(server_of(watched)) as (log, session):
        write(watched, "100.5")
        judge_until_level(log, session)
        watched.execute("ALTER TABLE tvl ADD COLUMN other numeric DEFAULT 7")
        install(watched, tvl={**GUARDED, "columns": {**COLUMNS, "value": "other"}})
        with pytest.raises(Overtaken):
            session.flush()
    assert remembered(watched) == ("7", "7")


def test_while_triggers_are_being_installed_nothing_is_written_down(
    watched: psycopg.Connection, connect_again: Connect
) -> None:
    with judging(server_of(watched)) as (log, session), connect_again().transaction() as installing:
        installing.connection.execute("LOCK TABLE rtp.installation IN EXCLUSIVE MODE")
        write(watched, 110)
        with pytest.raises(Overtaken):
            judge_until_level(log, session)
    assert told(watched) == []


def test_an_installation_is_noticed_where_nobody_writes(watched: psycopg.Connection) -> None:
    with judging(server_of(watched)) as (log, session):
        judge_until_level(log, session)
        install(watched, tvl={**GUARDED, "heartbeat": "1h"})
        with pytest.raises(Overtaken):
            session.keep_appointments()


def test_an_installation_between_taking_up_the_log_and_judging_it_is_noticed(watched: psycopg.Connection) -> None:
    log = SampleLog(server_of(watched))
    with closing(log):
        log.open(0)
        install(watched, tvl={**GUARDED, "percent": 50})
        write(watched, 110)
        with pytest.raises(Overtaken):
            judge_until_level(log, JudgeSession(log))


def test_samples_of_a_watch_that_is_gone_are_passed(watched: psycopg.Connection) -> None:
    write(watched, 110)
    columns = {"chain": "chain", "token": "protocol", "value": "tvl_usd"}
    install(watched, other={"kind": "price", "table": "tvl", "columns": columns})
    judge_waiting(watched)
    assert told(watched) == []


def test_a_database_with_an_isolation_level_of_its_own_is_judged_in(watched: psycopg.Connection) -> None:
    database = sql.Identifier(watched.info.dbname)
    watched.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_isolation TO serializable").format(database))
    write(watched, 110)
    judge_waiting(watched)
    assert told(watched) == [("lido", "100", "110", "deviation")]


# A watch that gains or loses a rule with a memory


def test_what_waited_when_the_trigger_began_to_judge_is_judged(watched: psycopg.Connection) -> None:
    write(watched, 110)
    install(watched, tvl=PLAIN)
    judge_waiting(watched)
    write(watched, "110.5", 120)
    assert told(watched) == [("lido", "100", "110", "deviation"), ("lido", "110", "120", "deviation")]


def test_what_waited_is_dropped_where_the_trigger_has_judged_a_newer_value(watched: psycopg.Connection) -> None:
    write(watched, 110)
    install(watched, tvl=PLAIN)
    write(watched, 200)
    judge_waiting(watched)
    assert told(watched) == [("lido", "100", "200", "deviation")]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_trigger_that_is_at_it_is_not_waited_for(
    watched: psycopg.Connection, connect_again: Connect, is_kept: bool
) -> None:
    write(watched, 110)
    install(watched, tvl=PLAIN)
    with connect_again().transaction(force_rollback=not is_kept) as writing:
        write(writing.connection, 200)
        judge_waiting(watched)
        assert told(watched) == []
    eventually(lambda: judge_waiting(watched) or told(watched) != [])
    assert told(watched) == [("lido", "100", "200" if is_kept else "110", "deviation")]


def test_a_first_sighting_that_waited_is_one(watched: psycopg.Connection) -> None:
    write(watched, 5, 6, entity="maker")
    install(watched, tvl=PLAIN)
    judge_waiting(watched)
    write(watched, 7, entity="maker")
    assert told(watched) == [("maker", "5", "6", "deviation"), ("maker", "6", "7", "deviation")]


def test_what_the_trigger_passed_over_is_the_newest_value_when_the_judge_begins(writer: psycopg.Connection) -> None:
    install(writer, tvl=PLAIN)
    write(writer, 100, "100.7")
    install(writer, tvl={**GUARDED, "heartbeat": "1h"})
    writer.execute("UPDATE rtp.baseline SET reported_at = reported_at - '2h'::interval")
    judge_ticks(writer)
    assert told(writer) == [("lido", "100", "100.7", "heartbeat")]


def test_a_value_in_quarantine_is_not_taken_up_after_the_trigger_has_judged_newer_ones(
    watched: psycopg.Connection,
) -> None:
    write(watched, 5000)
    judge_waiting(watched)
    install(watched, tvl=PLAIN)
    write(watched, 200)
    install(watched, tvl=GUARDED)
    watched.execute("UPDATE rtp.baseline SET suspect_since = suspect_since - '2h'::interval")
    judge_ticks(watched)
    judge_ticks(watched)
    assert told(watched) == [("lido", "100", "200", "deviation")]


def test_a_watch_that_its_trigger_judges_keeps_no_appointments(watched: psycopg.Connection) -> None:
    install(watched, tvl={**GUARDED, "heartbeat": "1h"})
    judge_ticks(watched)
    install(watched, tvl=PLAIN)
    assert watched.execute("SELECT count(*) FROM rtp.baseline WHERE due_at IS NOT NULL").fetchone() == (0,)


def test_a_heartbeat_that_is_added_holds_for_what_nobody_writes(watched: psycopg.Connection) -> None:
    watched.execute("UPDATE rtp.baseline SET reported_at = reported_at - '2h'::interval")
    install(watched, tvl={**GUARDED, "heartbeat": "1h"})
    judge_ticks(watched)
    assert sorted(told(watched)) == [(entity, "100", "100", "heartbeat") for entity in ("aave", "lido")]


def test_a_heartbeat_that_is_removed_holds_no_more(watched: psycopg.Connection) -> None:
    install(watched, tvl={**GUARDED, "heartbeat": "1h"})
    judge_ticks(watched)
    install(watched, tvl=GUARDED)
    watched.execute("UPDATE rtp.baseline SET reported_at = reported_at - '2h'::interval, due_at = now()")
    judge_ticks(watched)
    assert told(watched) == []


# Whatever a sample is


def test_an_entity_that_goes_and_comes_back_in_one_portion_is_seen_for_the_first_time(
    watched: psycopg.Connection,
) -> None:
    write(watched, 110)
    delete(watched, "lido")
    write(watched, 50)
    judge_waiting(watched)
    write(watched, 60)
    judge_waiting(watched)
    assert told(watched) == [
        ("lido", "100", "110", "deviation"),
        ("lido", "110", None, "deleted"),
        ("lido", "50", "60", "deviation"),
    ]


def test_an_entity_that_comes_and_goes_in_one_portion_is_not_remembered(watched: psycopg.Connection) -> None:
    write(watched, 5, entity="maker")
    delete(watched, "maker")
    judge_waiting(watched)
    assert (told(watched), remembered(watched, "maker")) == ([("maker", "5", None, "deleted")], None)


LARGEST, SMALLEST = "9" * 131_072, "0." + "0" * 16_382 + "1"
ODD_VALUES = ("NaN", "Infinity", "-Infinity", None, "0.0000", LARGEST, SMALLEST, "-" + LARGEST, "12.30")


def test_every_value_keeps_its_digits(watched: psycopg.Connection) -> None:
    install(watched, tvl={**TVL, "cooldown": "0s", "compare_with": "previous_row"})
    write(watched, *ODD_VALUES)
    judge_waiting(watched)
    assert [current for _, _, current, _ in told(watched)] == list(ODD_VALUES)
    assert [previous for _, previous, _, _ in told(watched)] == ["100", *ODD_VALUES[:-1]]


ODD_NAMES = ('"', "\\", "{a,b}", "NULL", "null", " ", "it's", "\n", "é", "%s")


def test_every_name_keeps_its_letters(watched: psycopg.Connection) -> None:
    for name in ODD_NAMES:
        write(watched, 1, 2, entity=name)
    judge_waiting(watched)
    for name in ODD_NAMES:
        delete(watched, name)
    judge_waiting(watched)
    expected = [(name, "1", "2", "deviation") for name in ODD_NAMES] + [
        (name, "2", None, "deleted") for name in ODD_NAMES
    ]
    assert sorted(told(watched)) == sorted(expected)


def test_a_sample_that_breaks_the_rules_is_noted_and_passed(
    watched: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(state: EntityState | None, sample: Sample, rule: Rule, **how: Any) -> Judgement:
        if sample.value == 13:
            raise OverflowError("13 is too much")
        return rule_book(state, sample, rule, **how)

    monkeypatch.setattr("core.judging.judgement.judge", judge)
    write(watched, 110, 13, 120)
    judge_waiting(watched)
    judge_waiting(watched)
    errors = watched.execute("SELECT watch, operation, sqlstate, message FROM rtp.trigger_error").fetchall()
    assert errors == [("tvl", "JUDGE", "22003", "OverflowError: 13 is too much")]
    assert told(watched) == [("lido", "100", "110", "deviation"), ("lido", "110", "120", "deviation")]


def test_more_entities_than_fit_in_memory_are_judged_all_the_same(
    watched: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "MOST_IN_MEMORY", 10)
    with judging(server_of(watched)) as (log, session):
        for value in (100, 110):
            watched.execute(
                "INSERT INTO tvl SELECT 'base', 'pool ' || n, %s, 'llama' FROM generate_series(1, 100) AS n"
                " ON CONFLICT (chain, protocol) DO UPDATE SET tvl_usd = excluded.tvl_usd",
                [value],
            )
            judge_until_level(log, session)
            session.flush()
    assert len(told(watched)) == 100


# The passing of time


def let_two_hours_pass(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE rtp.baseline SET reported_at = reported_at - '2h'::interval, due_at = now()")


def test_an_appointment_that_breaks_the_rules_is_noted_and_comes_again_in_a_minute(
    watched: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tick(*_: Any, **__: Any) -> Judgement:
        raise OverflowError("too late")

    install(watched, tvl={**GUARDED, "heartbeat": "1h"})
    let_two_hours_pass(watched)
    with monkeypatch.context() as patch:
        patch.setattr("core.judging.judgement.tick", tick)
        judge_ticks(watched)
        judge_ticks(watched)
    errors = watched.execute("SELECT message FROM rtp.trigger_error").fetchall()
    assert errors == [("OverflowError: too late",)] * 2  # one for each entity
    watched.execute("UPDATE rtp.baseline SET due_at = due_at - '1m'::interval")
    judge_ticks(watched)
    assert len(told(watched)) == 2


def test_a_watch_that_is_behind_holds_up_no_appointment_of_another(watched: psycopg.Connection) -> None:
    columns = {"chain": "chain", "token": "token", "value": "price"}
    prices = {"kind": "price", "table": "many", "columns": columns, "cooldown": "1h"}
    watched.execute("CREATE TABLE public.many (chain text, token text, price numeric, UNIQUE (chain, token))")
    install(watched, tvl={**GUARDED, "heartbeat": "1h"}, prices=prices)
    let_two_hours_pass(watched)
    watched.execute("INSERT INTO public.many SELECT 'ethereum', 'token ' || n, 1 FROM generate_series(1, 3000) AS n")
    with judging(server_of(watched)) as (log, session):
        while not log.behind:
            session.judge_next()
        session.keep_appointments()
        assert log.behind
    assert sorted(told(watched)) == [(entity, "100", "100", "heartbeat") for entity in ("aave", "lido")]


def test_a_heartbeat_that_is_due_again_at_once_waits_for_the_next_look(watched: psycopg.Connection) -> None:
    install(watched, tvl={**GUARDED, "heartbeat": "0.0001s"})
    with judging(server_of(watched)) as (log, session):
        judge_until_level(log, session)
        while session.has_more_appointments:
            session.keep_appointments()
        assert (session.keep_appointments(), session.has_more_appointments) == (2, False)


# The loop


class Awake:
    """Nobody ever falls asleep."""

    is_awake = True

    def active(self) -> None:
        pass

    def wait(self, read_started: float, poll_seconds: float, *, longest_seconds: float) -> None:
        raise AssertionError("is awake")


@pytest.fixture
def problems() -> list[Problem]:
    return []


@pytest.fixture
def recovery() -> Recovery:
    return quiet_recovery()


@pytest.fixture
def loop(watched: psycopg.Connection, recovery: Recovery, problems: list[Problem]) -> Iterator[JudgeLoop]:
    """A judge at work."""
    judge = JudgeLoop(
        server_of(watched),
        Awake(),
        Epochs(UNFENCED),
        chores=lambda _: None,
        recovery=recovery,
        on_problem=problems.append,
    )
    judge.start()
    yield judge
    judge.request_stop()
    judge.join()
    assert judge.failure is None


def test_samples_are_judged_as_they_come(watched: psycopg.Connection, loop: JudgeLoop) -> None:
    write(watched, 110)
    eventually(lambda: told(watched) == [("lido", "100", "110", "deviation")])
    eventually(lambda: loop.idle_since)
    assert loop.judged == 1


@pytest.mark.usefixtures("loop")
def test_what_no_rule_has_anything_to_say_of_is_written_down_soon(watched: psycopg.Connection) -> None:
    write(watched, "100.5")
    assert eventually(lambda: remembered(watched) == ("100", "100.5"))


@pytest.mark.usefixtures("loop")
def test_after_an_installation_the_loop_goes_on_by_the_rules_of_now(watched: psycopg.Connection) -> None:
    write(watched, 110)
    eventually(lambda: len(told(watched)) == 1)
    install(watched, tvl={**GUARDED, "percent": 50})
    write(watched, 120, 200)
    eventually(lambda: len(told(watched)) == 2)
    assert told(watched)[1] == ("lido", "110", "200", "deviation")


@pytest.mark.usefixtures("loop")
def test_what_cannot_be_written_down_is_told_once_and_written_down_later(
    watched: psycopg.Connection, recovery: Recovery, problems: list[Problem]
) -> None:
    watched.execute("ALTER TABLE rtp.event ADD CONSTRAINT nothing CHECK (false) NOT VALID")
    write(watched, 110)
    eventually(lambda: problems)
    eventually(lambda: recovery.failures > 2)
    watched.execute("ALTER TABLE rtp.event DROP CONSTRAINT nothing")
    eventually(lambda: told(watched) == [("lido", "100", "110", "deviation")])
    eventually(lambda: str(problems[-1]) == "judging goes on")
    assert [str(problem).startswith("judging: trying again: new row") for problem in problems[:-1]] == [True]
