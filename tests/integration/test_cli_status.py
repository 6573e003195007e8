"""`rtp status`: what it shows is so, whether or not rtp is running."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from cli.output import out
from core.leading.epoch import UNFENCED, Epochs
from core.log.reader import LogReader
from core.own_version import own_version
from core.processor.build import postgres_server
from core.processor.wakeup import WakeUp
from core.settings.models import Settings, postgres_dsn
from tests.command import Command
from tests.eventually import eventually
from tests.judging import judge_waiting, judging, server_of
from tests.recoveries import quiet_recovery
from tests.rtp_process import environ_of, rtp
from tests.terminal import run_at_a_terminal
from tests.tvl_table import write
from tests.waiting import count_waiting
from tests.watching import TVL, install

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at"}
HISTORY = TVL | {"shape": "history", "columns": COLUMNS}

Status = Callable[[], Any]


@pytest.fixture
def status(command: Command, installed: Settings) -> Status:
    """What `rtp status --json` says."""

    def run() -> Any:
        done = command("status", "--postgres-dsn", postgres_dsn(installed), "--json")
        assert done.code == 0, done.err
        return done.document

    return run


@pytest.fixture
def reader(installed: Settings) -> Iterator[LogReader]:
    with closing(LogReader(postgres_server(installed), "redis")) as reader:
        reader.open()
        yield reader


def test_without_rtp_it_is_one_clear_line_and_exit_code_2(command: Command, database: str) -> None:
    done = command("status", "--postgres-dsn", database)
    assert (done.code, done.out) == (2, "")
    assert done.err.strip() == "the database has no rtp schema. Run `rtp install-triggers` first"


def test_the_installation(status: Status) -> None:
    seen = status()
    assert seen["installation"]["schema_version"] >= 1
    assert [(w["watch"], w["kind"], w["table"], w["rules"]) for w in seen["watches"]] == [
        ("tvl", "tvl", "public.tvl", 1),
        ("prices", "price", "public.prices", 1),
        ("protocols", "protocol", "public.protocols", 1),
    ]


def test_the_versions_of_rtp_are_shown_where_they_are_not_all_this_one(
    command: Command, installed: Settings, writer: psycopg.Connection, status: Status
) -> None:
    def shown() -> str:
        return command("status", "--postgres-dsn", postgres_dsn(installed)).out

    assert "this is rtp" not in shown()
    writer.execute("UPDATE rtp.installation SET installed_by = '0.0.1'")
    writer.execute(
        "INSERT INTO rtp.process VALUES ('there', 7, now(), now(), '0.0.2', '{\"circuits\": [], \"sinks\": []}')"
    )
    assert f"this is rtp {own_version()}; triggers by rtp 0.0.1, rtp 0.0.2 runs on there (pid 7)" in shown()
    assert status()["installation"]["installed_by"] == "0.0.1"


def test_a_removed_watch_is_not_shown(writer: psycopg.Connection, status: Status) -> None:
    install(writer, tvl=HISTORY)
    assert [(w["watch"], w["shape"], w["rules"]) for w in status()["watches"]] == [("tvl", "history", 2)]


def test_a_watch_that_is_not_armed_is_marked_with_the_cause_and_the_remedy(
    command: Command, installed: Settings, writer: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "width", 80)
    writer.execute("DROP TRIGGER rtp_tvl_insert ON tvl")
    shown = command("status", "--postgres-dsn", postgres_dsn(installed)).out
    assert "NOT ARMED" in shown
    assert "triggers of public.tvl are missing: rtp_tvl_insert. Run `rtp install-triggers`" in " ".join(shown.split())


def test_the_log(writer: psycopg.Connection, status: Status) -> None:
    write(writer, "100", "200", "400")
    log = status()["log"]
    assert (log["events"], log["is_estimate"]) == (2, False)
    assert log["bytes"] > 0
    assert log["oldest_at"] < log["newest_at"]


def test_an_empty_log(status: Status) -> None:
    log = status()["log"]
    assert (log["events"], log["oldest_at"], log["newest_at"]) == (0, None, None)


# Lag


def lag(status: Status) -> int:
    (sink,) = status()["sinks"]
    return int(sink["lag_events"])


def test_a_sink_that_has_delivered_nothing(writer: psycopg.Connection, reader: LogReader, status: Status) -> None:
    write(writer, "100", "200", "400")
    time.sleep(0.2)
    (sink,) = status()["sinks"]
    assert (sink["sink"], sink["lag_events"], sink["dead_letters"]) == ("redis", 2, 0)
    assert 0.2 <= sink["lag_seconds"] < 30


def test_a_sink_that_has_delivered_all(writer: psycopg.Connection, reader: LogReader, status: Status) -> None:
    write(writer, "100", "200", "400")
    reader.advance(reader.read(10))
    reader.save()
    (sink,) = status()["sinks"]
    assert (sink["lag_events"], sink["lag_seconds"]) == (0, 0)


def test_a_sink_in_the_middle_of_a_window(writer: psycopg.Connection, reader: LogReader, status: Status) -> None:
    write(writer, "100", "200", "400", "800")
    reader.advance(reader.read(2))
    reader.save()
    write(writer, "1600")
    assert lag(status) == count_waiting(writer, "redis") == 2


def test_an_event_that_committed_after_younger_ones_were_delivered(
    writer: psycopg.Connection,
    connect_again: Callable[[], psycopg.Connection],
    reader: LogReader,
    status: Status,
) -> None:
    write(writer, "100", entity="lido")
    write(writer, "100", entity="aave")
    slow = connect_again()
    with slow.transaction():
        write(slow, "200", entity="aave")
        write(writer, "200", "400", entity="lido")
        for _ in range(3):
            reader.advance(reader.read(10))
            reader.save()
        assert lag(status) == count_waiting(writer, "redis") == 0
    assert lag(status) == count_waiting(writer, "redis") == 1


def test_the_bytes_that_wait_for_a_sink_are_about_those_of_its_events_and_their_indexes(
    writer: psycopg.Connection, reader: LogReader, status: Status
) -> None:
    writer.execute(
        "INSERT INTO rtp.event (watch, chain, entity, previous, current, reason, confidence, provenance, changed_at)"
        " SELECT 1, 'ethereum', 'lido', 1e10 + n, 1e10 - n, 'deviation', 1, 'defillama', now()"
        " FROM generate_series(1, 20000) AS n"
    )
    seen = status()
    assert seen["sinks"][0]["lag_bytes"] == pytest.approx(seen["log"]["bytes"], rel=0.1)


def test_a_sink_that_is_too_far_behind_alarms(writer: psycopg.Connection, reader: LogReader, status: Status) -> None:
    write(writer, "100", "200")
    before = status()["sinks"][0]["is_alarming"]
    writer.execute("UPDATE rtp.event SET detected_at = now() - interval '301 s'")
    assert (before, status()["sinks"][0]["is_alarming"]) == (False, True)


# Is a sink still used?


@pytest.fixture
def configured(command: Command, installed: Settings, tmp_path: Path) -> Callable[[str], object]:
    """What `rtp status` says of redis being configured, with a settings file that holds this line."""

    def run(line: str) -> object:
        config = tmp_path / "rtp.yaml"
        config.write_text(f"{line}\nwatches: {{tvl: {{kind: tvl, table: tvl, columns: {COLUMNS}}}}}\n")
        place = ("--config", str(config), "--postgres-dsn", postgres_dsn(installed))
        (sink,) = command("status", *place, "--json").document["sinks"]
        answer: object = sink["is_configured"]
        return answer

    return run


def test_a_sink_in_the_settings_file_is_configured(reader: LogReader, configured: Callable[[str], object]) -> None:
    reader.close()
    assert configured("redis: {url: 'redis://localhost'}") is True


def test_a_sink_that_is_not_in_the_settings_file_is_not_configured(
    reader: LogReader, writer: psycopg.Connection, configured: Callable[[str], object]
) -> None:
    end_session(reader, writer)
    assert configured("source: /rtp") is False


def test_without_a_settings_file_and_a_running_rtp_nobody_knows(
    reader: LogReader, writer: psycopg.Connection, status: Status
) -> None:
    end_session(reader, writer)
    assert status()["sinks"][0]["is_configured"] is None


def test_a_sink_that_the_running_rtp_serves_is_configured(reader: LogReader, status: Status) -> None:
    assert status()["sinks"][0]["is_configured"] is True


def end_session(reader: LogReader, connection: psycopg.Connection) -> None:
    """Close it, and wait until the server has noticed."""
    reader.close()
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rtp redis'"
    eventually(lambda: not connection.execute(query).fetchall())


def test_dead_letters(writer: psycopg.Connection, reader: LogReader, status: Status) -> None:
    for error in ("too large", "too odd"):
        writer.execute(
            "INSERT INTO rtp.dead_letter (sink, event_id, event, error, attempts) VALUES ('redis', %s, '{}', %s, 1)",
            [len(error), error],
        )
    (sink,) = status()["sinks"]
    assert (sink["dead_letters"], sink["newest_dead_letter"]) == (2, "too odd")


# What waits, what is held back, what failed


@pytest.fixture
def sampled(writer: psycopg.Connection) -> psycopg.Connection:
    """A writer to a table of history and one updated in place, both watched by way of the log of samples."""
    writer.execute("CREATE TABLE public.past (chain text, protocol text, tvl_usd numeric, updated_at timestamptz)")
    install(writer, tvl=TVL | {"cooldown": "1h"}, past=HISTORY | {"table": "past", "columns": COLUMNS})
    return writer


def append(connection: psycopg.Connection, samples: int, entities: int = 10) -> None:
    """Samples of p0, p1 ... in turn, each a minute later than the one before."""
    connection.execute(
        "INSERT INTO past SELECT 'ethereum', 'p' || mod(n, %s), n, '2024-03-19Z'::timestamptz + n * interval '1 min'"
        " FROM generate_series(1, %s) AS n",
        [entities, samples],
    )


def waiting(status: Status) -> dict[str, int]:
    return {watch["watch"]: watch["waiting"] for watch in status()["watches"]}


def test_samples_wait_until_they_are_judged(sampled: psycopg.Connection, status: Status) -> None:
    write(sampled, "100", "200")
    append(sampled, 3)
    assert waiting(status) == {"tvl": 2, "past": 3}
    judge_waiting(sampled)
    assert waiting(status) == {"tvl": 0, "past": 0}


def test_how_long_samples_wait_does_not_depend_on_their_own_time(sampled: psycopg.Connection, status: Status) -> None:
    append(sampled, 1)
    time.sleep(0.2)
    assert 0.2 <= status()["watches"][1]["waiting_seconds"] < 30


def test_the_bytes_that_wait_are_about_those_of_the_log(sampled: psycopg.Connection, status: Status) -> None:
    append(sampled, 20_000)
    size = "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'rtp.sample'::regclass"
    (log_bytes,) = sampled.execute(size).fetchone() or (0,)
    assert status()["watches"][1]["waiting_bytes"] == pytest.approx(float(log_bytes), rel=0.1)


def test_a_sample_that_committed_after_younger_ones_were_judged_waits(
    sampled: psycopg.Connection, connect_again: Callable[[], psycopg.Connection], status: Status
) -> None:
    slow = connect_again()
    with slow.transaction():
        append(slow, 1)
        append(sampled, 5)
        judge_waiting(sampled)
        assert waiting(status)["past"] == 0
    assert waiting(status)["past"] == 1


def test_of_a_watch_that_is_behind_what_was_judged_does_not_wait(sampled: psycopg.Connection, status: Status) -> None:
    append(sampled, 3000)
    with judging(server_of(sampled)) as (log, session):
        while not log.behind:
            session.judge_next()
        judged = 0
        while judged < 1000:
            judged += session.judge_next()
            session.flush()
    watch = status()["watches"][1]
    assert (watch["waiting"], watch["is_behind"]) == (3000 - judged, True)


def test_a_watch_whose_samples_wait_for_too_long_alarms(sampled: psycopg.Connection, status: Status) -> None:
    append(sampled, 1)
    before = status()["watches"][1]["is_alarming"]
    sampled.execute("UPDATE rtp.sample SET appended_at = now() - interval '301 s'")
    assert (before, status()["watches"][1]["is_alarming"]) == (False, True)


def test_the_quarantine(writer: psycopg.Connection, status: Status) -> None:
    install(writer, tvl=TVL | {"glitch_guard": {"factor": 10}})
    write(writer, "100", "5000")
    judge_waiting(writer)
    seen = status()
    (held,) = seen["quarantined"]
    assert (held["watch"], held["chain"], held["entity"], held["baseline"], held["value"], held["among"]) == (
        *("tvl", "ethereum", "lido", "100", "5000"),
        1,
    )
    write(writer, "101")
    judge_waiting(writer)
    seen = status()
    assert seen["quarantined"] == []
    assert [outcome["what"] for outcome in seen["outcomes"]] == ["dismissed", "quarantined"]


def test_what_the_triggers_could_not_judge(writer: psycopg.Connection, status: Status) -> None:
    writer.execute(
        "INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message, weight) VALUES"
        " ('tvl', 'INSERT', '22023', 'old', 1), ('tvl', 'UPDATE', '42703', 'new', 1000),"
        " ('prices', 'UPDATE', '42703', 'x', 1)"
    )
    errors = {entry["watch"]: entry for entry in status()["trigger_errors"]}
    assert {watch: entry["errors"] for watch, entry in errors.items()} == {"tvl": 1001, "prices": 1}
    assert (errors["tvl"]["message"], errors["tvl"]["sqlstate"]) == ("new", "42703")


# What the triggers cost


def test_costs_are_estimated_from_the_measured_statements(writer: psycopg.Connection, status: Status) -> None:
    writer.execute(
        "INSERT INTO rtp.trigger_timing (watch, weight, rows, events, microseconds)"
        " VALUES (1, 100, 5, 1, 300), (1, 100, 1, 0, 100), (2, 1, NULL, 1, 70)"
    )
    tvl, prices = status()["trigger_costs"]
    assert (tvl["statements"], tvl["rows"], tvl["events"]) == (200, 600, 100)
    assert (tvl["total_us"], tvl["mean_us"], tvl["max_us"]) == (40_000, 200, 300)
    assert (prices["statements"], prices["rows"], prices["mean_us"]) == (1, None, 70)


def test_costs_of_more_than_an_hour_ago_do_not_count(writer: psycopg.Connection, status: Status) -> None:
    writer.execute("INSERT INTO rtp.trigger_timing VALUES (1, 1, 1, 1, 1, now() - interval '61 min')")
    assert status()["trigger_costs"] == []


def test_what_the_server_counts(writer: psycopg.Connection, status: Status) -> None:
    assert status()["function_costs"] == []
    writer.execute("SET track_functions TO pl")
    write(writer, "100", "200")
    writer.execute("SELECT pg_stat_force_next_flush()")
    (cost,) = status()["function_costs"]
    assert (cost["function"], cost["calls"]) == ("watch_tvl", 4)  # an upsert fires for INSERT and for UPDATE
    assert cost["total_ms"] > 0


# Is rtp running?


def test_nobody_is_running(status: Status) -> None:
    processor = status()["processor"]
    assert (processor["is_running"], processor["is_awake"]) == (False, False)


@pytest.mark.parametrize(("idle_ms", "is_awake"), [(3_600_000, True), (1, False)], ids=["awake", "asleep"])
def test_rtp_is_running(installed: Settings, status: Status, idle_ms: int, is_awake: bool) -> None:
    run = installed.run.model_copy(update={"idle_before_sleep_ms": idle_ms})
    wakeup = WakeUp(postgres_server(installed), run, Epochs(UNFENCED), recovery=quiet_recovery())
    wakeup.start()
    try:
        eventually(lambda: wakeup.holds_lock if is_awake else wakeup.is_asleep)
        processor = status()["processor"]
        assert (processor["is_running"], processor["is_awake"]) == (True, is_awake)
        assert "rtp wakeup" in processor["sessions"]
    finally:
        wakeup.request_stop()
        wakeup.join()


def test_another_databases_rtp_does_not_count(
    database: str, installed: Settings, writer: psycopg.Connection, status: Status
) -> None:
    with closing(psycopg.connect(database, application_name="rtp wakeup", autocommit=True)) as other:
        other.execute("SELECT pg_advisory_lock(7500912, 1)")
        assert not status()["processor"]["is_running"]


def test_a_stranger_with_the_lock_and_the_name_of_a_running_rtp_does_not_count(weak_login: str, status: Status) -> None:
    with closing(psycopg.connect(weak_login, application_name="rtp wakeup", autocommit=True)) as stranger:
        stranger.execute("SELECT pg_advisory_lock(7500912, 1)")
        processor = status()["processor"]
        assert (processor["is_running"], processor["is_awake"]) == (False, False)
        assert "rtp wakeup" not in processor["sessions"]


# For people


def test_tables_for_people(
    command: Command, installed: Settings, writer: psycopg.Connection, reader: LogReader
) -> None:
    write(writer, "100", "200")
    shown = command("status", "--postgres-dsn", postgres_dsn(installed)).out
    for piece in ("not running", "1 event,", "public.prices", "redis"):
        assert piece in shown


def test_a_long_error_is_shown_whole(command: Command, installed: Settings, writer: psycopg.Connection) -> None:
    words = [f"word{number}" for number in range(60)]
    writer.execute(
        "INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message) VALUES ('tvl', 'INSERT', '22023', %s)",
        [" ".join(words)],
    )
    assert set(words) <= set(command("status", "--postgres-dsn", postgres_dsn(installed)).out.split())


def test_text_from_data_does_not_act_on_the_terminal(
    command: Command, installed: Settings, writer: psycopg.Connection
) -> None:
    install(writer, tvl=TVL | {"glitch_guard": {"factor": 10}})
    write(writer, "100", "5000", entity="\x1b]0;x\x07[red]\u202e")
    judge_waiting(writer)
    writer.execute(
        "INSERT INTO rtp.trigger_error (watch, operation, sqlstate, message) VALUES ('tvl', 'INSERT', '22023', %s)",
        ["\x1b[2J[bold]\n"],
    )
    shown = command("status", "--postgres-dsn", postgres_dsn(installed)).out
    assert "[red]" in shown
    assert "[bold]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


def test_in_a_pipe_nothing_is_wrapped_or_padded(
    command: Command, installed: Settings, writer: psycopg.Connection
) -> None:
    table = "a_table_with_a_name_of_some_length_that_no_terminal_of_80_columns_has_a_line_for"
    writer.execute(f"ALTER TABLE prices RENAME TO {table[:60]}")
    shown = command("status", "--postgres-dsn", postgres_dsn(installed), environ={"COLUMNS": "80"}).out
    cause = next(one for one in shown.splitlines() if one.startswith("prices") and "install-triggers" in one)
    assert len(cause) > 80
    assert not [line for line in shown.splitlines() if line.endswith(" ")]


def test_on_a_terminal_it_stays_in_place_in_colour_until_ctrl_c(installed: Settings) -> None:
    seen = run_at_a_terminal("status", "--every", "100ms", environ=environ_of(installed), until="Watches", columns=80)
    assert (seen.code, seen.settings_after, seen.is_cursor_shown) == (0, seen.settings_before, True)
    assert "\x1b[36mtvl" in seen.text
    pictures, last = seen.text.split("\x1b[?1049l")  # the terminal's other screen, and what is left in the end
    assert pictures.count("\x1b[?1049h") == 1
    assert "Watches" in last


def test_watching_looks_again_until_ctrl_c(installed: Settings) -> None:
    with rtp("status", "--every", "10ms", "--json", environ=environ_of(installed)) as process:
        eventually(lambda: len(process.documents) >= 3)
        assert (process.end(signal.SIGINT), process.err) == (0, "")


def test_ctrl_c_ends_a_look_that_waits_for_a_lock(installed: Settings, writer: psycopg.Connection) -> None:
    with rtp("status", "--every", "10ms", "--json", environ=environ_of(installed)) as process:
        eventually(lambda: process.documents)
        with writer.transaction():
            writer.execute("LOCK rtp.cursor")
            eventually(lambda: writer.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())
            assert (process.end(signal.SIGINT), process.err) == (0, "")


def test_a_wrong_interval(command: Command) -> None:
    done = command("status", "--every", "soon")
    assert done.code == 2
    assert done.err.startswith("option --every: must be a duration like 500ms, 30s, 5m or 1h, not 'soon'")


def test_a_role_without_rights_is_told_so(command: Command, installed: Settings, writer: psycopg.Connection) -> None:
    role = f"r{time.monotonic_ns()}"
    writer.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
    try:
        dsn = psycopg.conninfo.make_conninfo(postgres_dsn(installed), user=role, password="x")
        done = command("status", "--postgres-dsn", dsn)
        assert done.code == 2
        assert "rtp's role may not read rtp's schema" in done.err
        writer.execute(sql.SQL("GRANT USAGE ON SCHEMA rtp TO {}").format(sql.Identifier(role)))
        writer.execute(sql.SQL("GRANT SELECT ON rtp.installation TO {}").format(sql.Identifier(role)))
        assert "rtp's role may not read rtp's schema" in command("status", "--postgres-dsn", dsn).err
    finally:
        writer.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(role)))
