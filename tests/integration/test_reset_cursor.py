"""`rtp reset-cursor`, and the restored or failed-over databases that make it necessary."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from core.errors import LogMismatch
from core.judging.sample_log import SampleLog
from core.judging.sample_windows import Limits
from core.leading.epoch import UNFENCED, Epochs
from core.log.installation import read_installation
from core.log.jumps import former_names
from core.log.reader import LogReader
from core.log.rows import build_event
from core.processor.build import postgres_server
from core.processor.wakeup import WakeUp
from core.services.postgres import DatabaseServer, connect
from core.settings.models import RedisSettings, Settings, postgres_dsn
from core.sinks.redis import RedisSink
from core.stack import EmbeddedStack
from core.stack.binaries import postgres_folder
from tests.command import Command, Done
from tests.eventually import eventually
from tests.recoveries import quiet_recovery
from tests.sample_log import HISTORY, LATEST, OTHER, append, ids, judge_some, make_history, save
from tests.tvl_table import write

if TYPE_CHECKING:
    from pathlib import Path

    from core.log.rows import LogRow

Reset = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    return Command(capsys, monkeypatch)


@pytest.fixture
def reset(command: Command, installed: Settings) -> Reset:
    """`rtp reset-cursor` on the installed database, for the sink redis."""
    return lambda *options: command(
        "reset-cursor", "--sink", "redis", *options, "--postgres-dsn", postgres_dsn(installed)
    )


def deliver_all(dsn: str, sink: str = "redis", limit: int = 100) -> list[LogRow]:
    """What a sink gets; its cursor is saved behind it."""
    rows: list[LogRow] = []
    with closing(LogReader(DatabaseServer(dsn), sink)) as reader:
        reader.open()
        while (chunk := reader.read(limit)).rows:
            reader.advance(chunk)
            reader.save()
            rows += chunk.rows
        reader.advance(chunk)
        reader.save()
    return rows


def currents(rows: list[LogRow]) -> list[int]:
    return [int(row.current or 0) for row in rows]


# Where to


@pytest.fixture
def delivered(writer: psycopg.Connection, installed: Settings) -> list[LogRow]:
    """Four events that redis has got."""
    write(writer, 100, 200, 400, 800, 1600)
    return deliver_all(postgres_dsn(installed))


def test_earliest_delivers_again_what_the_log_holds(reset: Reset, delivered: list[LogRow], installed: Settings) -> None:
    assert reset("--to", "earliest").code == 0
    assert deliver_all(postgres_dsn(installed)) == delivered


def test_a_sequence_delivers_again_what_comes_after_it(
    reset: Reset, delivered: list[LogRow], installed: Settings
) -> None:
    reset("--to", str(delivered[1].id))
    assert deliver_all(postgres_dsn(installed)) == delivered[2:]


def test_a_sequence_is_found_again_by_a_reader_of_small_chunks(
    reset: Reset, delivered: list[LogRow], installed: Settings
) -> None:
    reset("--to", str(delivered[0].id))
    assert deliver_all(postgres_dsn(installed), limit=1) == delivered[1:]


def test_latest_delivers_nothing_that_is_in_the_log(
    reset: Reset, writer: psycopg.Connection, delivered: list[LogRow], installed: Settings
) -> None:
    write(writer, 5000, 9000)
    reset("--to", "latest")
    write(writer, 20_000)
    assert currents(deliver_all(postgres_dsn(installed))) == [20_000]


def test_what_commits_after_the_reset_is_delivered_though_its_sequence_is_older(
    reset: Reset,
    writer: psycopg.Connection,
    connect_again: Callable[[], psycopg.Connection],
    delivered: list[LogRow],
    installed: Settings,
) -> None:
    write(writer, 100, entity="aave")
    with connect_again() as slow, slow.transaction():
        write(slow, 500, entity="aave")
        write(writer, 5000)
        reset("--to", "latest")
    assert currents(deliver_all(postgres_dsn(installed))) == [500]


def test_another_sink_stays_where_it_is(
    reset: Reset, writer: psycopg.Connection, delivered: list[LogRow], installed: Settings
) -> None:
    deliver_all(postgres_dsn(installed), "sqs")
    reset("--to", "earliest")
    assert deliver_all(postgres_dsn(installed), "sqs") == []


def test_sequences_go_on_where_they_were(
    reset: Reset, writer: psycopg.Connection, delivered: list[LogRow], installed: Settings
) -> None:
    reset("--to", "latest")
    write(writer, 5000)
    assert [row.id for row in deliver_all(postgres_dsn(installed))] == [delivered[-1].id + 1]


def test_a_configured_sink_may_start_at_latest_before_its_first_start(
    command: Command, writer: psycopg.Connection, installed: Settings
) -> None:
    write(writer, 100, 200)
    dsn = postgres_dsn(installed)
    queue = {"RTP_SQS_QUEUE": "q.fifo"}
    command("reset-cursor", "--sink", "sqs", "--to", "latest", "--postgres-dsn", dsn, environ=queue)
    assert deliver_all(dsn, "sqs") == []


def test_what_it_did_as_json(reset: Reset, delivered: list[LogRow]) -> None:
    second = delivered[1].id
    document = reset("--to", str(second), "--json").document
    assert document == {"sink": "redis", "after_sequence": second, "waiting_events": 2, "mismatch": None}


def test_what_it_did_for_people(reset: Reset, delivered: list[LogRow]) -> None:
    second = delivered[1].id
    assert reset("--to", str(second)).out.strip() == f"redis: goes on after sequence {second}, 2 events wait"


def test_a_forgotten_sink_has_no_cursor(reset: Reset, writer: psycopg.Connection, delivered: list[LogRow]) -> None:
    assert reset("--forget").out.strip() == "redis: forgotten"
    assert writer.execute("SELECT sink FROM rtp.cursor").fetchall() == []


# What is refused


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ((), "rtp reset-cursor needs either --to or --forget. Say --to earliest, latest or a sequence"),
        (("--to", "latest", "--forget"), "rtp reset-cursor needs either --to or --forget."),
        (("--to", "yesterday"), "option --to: 'yesterday' is not a place. Say earliest, latest or an event's sequence"),
        (("--to", "-1"), "option --to: '-1' is not a place."),
    ],
)
def test_a_wrong_place(reset: Reset, delivered: list[LogRow], options: tuple[str, ...], line: str) -> None:
    done = reset(*options)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(line)


def test_a_sequence_that_the_log_has_not_reached(reset: Reset, delivered: list[LogRow]) -> None:
    last = delivered[-1].id
    done = reset("--to", str(last + 1))
    assert (done.code, done.out, done.err.strip()) == (
        2,
        "",
        f"sequence {last + 1} is ahead of the log, which has reached {last}. Name one up to that",
    )


@pytest.mark.parametrize("option", [("--to", "latest"), ("--forget",)])
def test_an_unknown_sink(command: Command, delivered: list[LogRow], installed: Settings, option: tuple[str]) -> None:
    done = command("reset-cursor", "--sink", "kafka", *option, "--postgres-dsn", postgres_dsn(installed))
    assert done.code == 2
    assert done.err.startswith("no sink is called kafka. Known: redis")


@pytest.mark.parametrize("idle_before_sleep_ms", [60_000, 0], ids=["awake", "asleep"])
def test_it_refuses_while_rtp_runs(
    reset: Reset, delivered: list[LogRow], installed: Settings, idle_before_sleep_ms: float
) -> None:
    run = installed.run.model_copy(update={"idle_before_sleep_ms": idle_before_sleep_ms})
    wakeup = WakeUp(postgres_server(installed), run, Epochs(UNFENCED), recovery=quiet_recovery())
    wakeup.start()
    try:
        eventually(lambda: wakeup.holds_lock or wakeup.is_asleep)
        done = reset("--to", "earliest")
    finally:
        wakeup.request_stop()
        wakeup.join()
    assert (done.code, done.err.strip()) == (
        2,
        "rtp run is active on this database; nothing was changed. Stop it first",
    )


# Restored from a dump


@pytest.fixture(scope="module")
def other_server(stack: EmbeddedStack) -> Iterator[EmbeddedStack]:
    """A new server, whose transaction ids are far below the first one's."""
    with closing(psycopg.connect(stack.addresses.postgres_dsn, autocommit=True)) as connection:
        connection.execute("CREATE TEMP TABLE burnt (n int)")
        connection.execute(
            "DO $$ BEGIN FOR i IN 1..5000 LOOP BEGIN INSERT INTO burnt VALUES (i);"
            " EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END $$"
        )
    with EmbeddedStack(durable=False) as other:
        yield other


@pytest.fixture
def restore(
    installed: Settings, other_server: EmbeddedStack, stack: EmbeddedStack, tmp_path: Path
) -> Callable[[EmbeddedStack], str]:
    """Dumps the installed database and restores it on a server; its address there."""

    def run(server: EmbeddedStack) -> str:
        programs, dump = postgres_folder()[0], tmp_path / "dump.sql"
        source = postgres_dsn(installed)
        name = f"restored_{source.rpartition('/')[2]}"
        subprocess.run([programs / "pg_dump", "--no-owner", "-f", dump, source], check=True)
        admin = server.addresses.postgres_dsn
        with closing(psycopg.connect(admin, autocommit=True)) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        target = f"{admin.rpartition('/')[0]}/{name}"
        subprocess.run(
            [programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, target], check=True, capture_output=True
        )
        return target

    return run


def test_a_restored_database_is_refused_with_one_clear_line(
    delivered: list[LogRow], restore: Callable[[EmbeddedStack], str], other_server: EmbeddedStack
) -> None:
    with pytest.raises(LogMismatch) as error:
        deliver_all(restore(other_server))
    assert str(error.value) == (
        "the cursor of sink redis does not fit this log: the database was restored from a dump. "
        "Run `rtp reset-cursor --sink redis --to earliest` (or latest, or a sequence)"
    )


def test_a_database_restored_beside_the_first_one_is_refused(
    delivered: list[LogRow], restore: Callable[[EmbeddedStack], str], stack: EmbeddedStack
) -> None:
    with pytest.raises(LogMismatch):
        deliver_all(restore(stack))


def test_rtp_status_tells_that_the_cursors_do_not_fit_until_they_are_reset(
    delivered: list[LogRow], restore: Callable[[EmbeddedStack], str], other_server: EmbeddedStack, command: Command
) -> None:
    place = ("--postgres-dsn", restore(other_server))

    def mismatches() -> list[str | None]:
        return [sink["mismatch"] for sink in command("status", *place, "--json").document["sinks"]]

    before = mismatches()
    command("reset-cursor", "--sink", "redis", "--to", "latest", *place)
    assert (before, mismatches()) == (["the database was restored from a dump"], [None])


def test_rtp_run_ends_with_exit_code_2_on_a_restored_database(
    delivered: list[LogRow],
    restore: Callable[[EmbeddedStack], str],
    other_server: EmbeddedStack,
    command: Command,
    redis_url: str,
    tmp_path: Path,
) -> None:
    config = tmp_path / "rtp.yaml"
    columns = "{chain: chain, protocol: protocol, value: tvl_usd}"
    config.write_text(f"watches: {{tvl: {{kind: tvl, table: tvl, columns: {columns}}}}}\n")
    places = ("--postgres-dsn", restore(other_server), "--redis-url", redis_url)
    done = command("run", "--config", str(config), *places, "--for", "20s")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith("the cursor of sink redis does not fit this log")


def test_what_was_not_delivered_before_the_dump_is_delivered_after_the_reset(
    writer: psycopg.Connection,
    delivered: list[LogRow],
    restore: Callable[[EmbeddedStack], str],
    other_server: EmbeddedStack,
    command: Command,
) -> None:
    write(writer, 5000)
    target = restore(other_server)
    done = command("reset-cursor", "--sink", "redis", "--to", "earliest", "--postgres-dsn", target)
    assert (done.code, currents(deliver_all(target))) == (0, [*currents(delivered), 5000])


def test_latest_in_a_restored_database_delivers_only_what_is_new(
    delivered: list[LogRow],
    restore: Callable[[EmbeddedStack], str],
    other_server: EmbeddedStack,
    command: Command,
) -> None:
    target = restore(other_server)
    command("reset-cursor", "--sink", "redis", "--to", "latest", "--postgres-dsn", target)
    with closing(connect(target, role="test")) as writer:
        write(writer, 9000)
    assert currents(deliver_all(target)) == [9000]


def test_a_sink_that_had_delivered_nothing_is_refused_in_a_restored_database(
    writer: psycopg.Connection, restore: Callable[[EmbeddedStack], str], other_server: EmbeddedStack
) -> None:
    write(writer, 100, 200)
    with pytest.raises(LogMismatch, match="the log's transactions are ahead of the server's"):
        deliver_all(restore(other_server))


def test_the_cache_takes_events_of_a_restored_database_that_was_behind_it(
    writer: psycopg.Connection,
    delivered: list[LogRow],
    restore: Callable[[EmbeddedStack], str],
    other_server: EmbeddedStack,
    command: Command,
    installed: Settings,
    redis_url: str,
) -> None:
    target = restore(other_server)
    write(writer, 5000, 9000)  # after the dump, so the restored log knows nothing of it
    sink = RedisSink(RedisSettings(), url=redis_url, poll_interval_seconds=0.1)

    def to_redis(rows: list[LogRow]) -> None:
        sink.deliver([build_event(row, source="/rtp", log_id="x") for row in rows])

    with closing(sink), redis.Redis.from_url(redis_url) as client:
        to_redis(deliver_all(postgres_dsn(installed)))
        command("reset-cursor", "--sink", "redis", "--to", "latest", "--postgres-dsn", target)
        with closing(connect(target, role="test")) as restored:
            write(restored, 7000)
        (row,) = deliver_all(target)
        to_redis([row])
        assert client.hget("rtp:cache:tvl:ethereum:lido", "sequence") == f"{row.id:020}".encode()


def test_a_restored_log_gets_another_name_and_one_that_is_only_read_again_keeps_its_own(
    reset: Reset, writer: psycopg.Connection, delivered: list[LogRow]
) -> None:
    first = read_installation(writer)
    reset("--to", "earliest")
    again = read_installation(writer)
    writer.execute("UPDATE rtp.cursor SET table_oid = 1")  # as a restore from a dump leaves it
    reset("--to", "earliest")
    assert (again, read_installation(writer) != first, former_names(writer)) == (first, True, [first])


def test_a_second_sink_of_a_restored_database_is_refused_until_it_is_reset_too(
    delivered: list[LogRow],
    restore: Callable[[EmbeddedStack], str],
    other_server: EmbeddedStack,
    command: Command,
    installed: Settings,
) -> None:
    deliver_all(postgres_dsn(installed), "sqs")
    target = restore(other_server)
    command("reset-cursor", "--sink", "redis", "--to", "latest", "--postgres-dsn", target)
    with pytest.raises(LogMismatch, match="sink sqs"):
        deliver_all(target, "sqs")


# The samples of a restored database


def judge(dsn: str, most: int | None = None) -> list[int]:
    """Judge and save what waits, or about so many samples of it; their ids."""
    with closing(SampleLog(DatabaseServer(dsn), Limits(rows=10, portion=4, piece=30))) as log:
        log.open(0)
        judged: list[int] = []
        while not log.is_level and (most is None or len(judged) < most):
            judged += ids(judge_some(log))
        save(log)
    return judged


def test_the_judge_refuses_a_restored_database_until_a_cursor_is_reset(
    delivered: list[LogRow], restore: Callable[[EmbeddedStack], str], other_server: EmbeddedStack, command: Command
) -> None:
    target = restore(other_server)
    with pytest.raises(LogMismatch, match="the cursor of sink redis does not fit this log"):
        judge(target)
    command("reset-cursor", "--sink", "redis", "--to", "latest", "--postgres-dsn", target)
    assert judge(target) == []


def test_the_judge_refuses_a_cursor_that_is_not_its_logs_though_all_sinks_are_right(
    writer: psycopg.Connection, delivered: list[LogRow], installed: Settings
) -> None:
    writer.execute("UPDATE rtp.judge_cursor SET floor_id = 900")
    with pytest.raises(LogMismatch, match="the judge's cursor does not fit the log of samples: its sequence is ahead"):
        judge(postgres_dsn(installed))


@pytest.mark.parametrize("watch", [LATEST, HISTORY])
def test_what_was_not_judged_before_the_dump_is_judged_after_the_reset_and_nothing_else(
    installed: Settings,
    writer: psycopg.Connection,
    restore: Callable[[EmbeddedStack], str],
    other_server: EmbeddedStack,
    command: Command,
    watch: int,
) -> None:
    make_history(writer)
    deliver_all(postgres_dsn(installed))
    written = append(writer, OTHER, 3)
    for minute in range(50):
        written += append(writer, watch, entity="ab"[minute % 2], minute=minute * 7 % 11)
    judged = judge(postgres_dsn(installed), most=20)  # in the middle of a piece
    target = restore(other_server)
    with closing(connect(target, role="test")) as elsewhere:
        written += append(elsewhere, OTHER)
    command("reset-cursor", "--sink", "redis", "--to", "latest", "--postgres-dsn", target)
    assert sorted(judged + judge(target)) == written


# Moved by hand: what no dump of today can show


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("snapshot = '900000000:900000000:'", "its transactions are ahead of the server's"),
        ("until = '900000000:900000000:'", "its transactions are ahead of the server's"),
        ("floor_id = floor_id + 900", "its sequence is ahead of the log's"),
    ],
)
def test_a_cursor_from_the_future_is_refused(
    writer: psycopg.Connection, delivered: list[LogRow], installed: Settings, change: str, why: str
) -> None:
    writer.execute(f"UPDATE rtp.cursor SET {change}".encode())
    with pytest.raises(LogMismatch, match=why):
        deliver_all(postgres_dsn(installed))
