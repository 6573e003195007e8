"""`rtp forget`: what is remembered of an entity goes, whoever remembers it, and its next sample is a first sighting."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import yaml

from core.handler.build import build_processor
from core.judging.ledger import Overtaken
from core.settings.models import Settings, postgres_dsn
from core.sinks.settings import load_settings
from tests.command import Command, Done
from tests.dynamodb import Table
from tests.judging import judge_until_level, judge_waiting, judging, server_of
from tests.watching import TVL, install

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = {"chain": "chain", "protocol": "protocol", "value": "tvl_usd", "changed_at": "updated_at"}
PLAIN: dict[str, Any] = TVL | {"columns": COLUMNS, "max_future": "off"}
HISTORY: dict[str, Any] = PLAIN | {"shape": "history"}
Forget = Callable[..., Done]


@pytest.fixture
def forget(command: Command, installed: Settings) -> Forget:
    """Runs `rtp forget` on the database; by default of lido, without being asked."""

    def run(*arguments: str, kind: str = "tvl", entity: str = "lido", yes: bool = True) -> Done:
        what = ("--kind", kind, "--protocol", entity, *(["--yes"] if yes else []))
        return command("forget", "--postgres-dsn", postgres_dsn(installed), *what, *arguments)

    return run


def write(connection: psycopg.Connection, value: int, at: str = "now()", entity: str = "lido") -> None:
    insert = f"INSERT INTO tvl VALUES ('ethereum', %s, %s, 'llama', {at}) ON CONFLICT (chain, protocol)"
    update = "DO UPDATE SET (tvl_usd, updated_at) = (excluded.tvl_usd, excluded.updated_at)"
    connection.execute(f"{insert} {update}".encode(), [entity, value])


def told(connection: psycopg.Connection) -> list[tuple[str, str | None, str | None]]:
    judge_waiting(connection)
    return connection.execute("SELECT entity, previous::text, current::text FROM rtp.event ORDER BY id").fetchall()


@pytest.fixture
def stuck(writer: psycopg.Connection) -> psycopg.Connection:
    """A history whose newest sample of lido is of next year; aave is at 100."""
    install(writer, tvl=HISTORY)
    write(writer, 100)
    write(writer, 100, entity="aave")
    write(writer, 100, "now() + interval '1 year'")
    judge_waiting(writer)
    write(writer, 200)
    assert told(writer) == []
    return writer


def test_a_time_far_ahead_no_longer_makes_all_others_late(stuck: psycopg.Connection, forget: Forget) -> None:
    assert forget().code == 0
    write(stuck, 200)
    write(stuck, 300)
    assert told(stuck) == [("lido", "200", "300")]


def test_nobody_else_is_forgotten(stuck: psycopg.Connection, forget: Forget) -> None:
    forget()
    write(stuck, 200, entity="aave")
    assert told(stuck) == [("aave", "100", "200")]


def test_what_it_has_forgotten_is_said(stuck: psycopg.Connection, forget: Forget) -> None:
    (one,) = forget("--json").document["forgotten"]
    assert (one["watch"], one["chain"], one["entity"], one["value"]) == ("tvl", "ethereum", "lido", "100")


def test_samples_that_wait_bring_nothing_back(stuck: psycopg.Connection, forget: Forget) -> None:
    write(stuck, 400, "now() + interval '2 years'")
    assert forget().code == 0
    write(stuck, 200)
    write(stuck, 300)
    assert told(stuck) == [("lido", "200", "300")]


def test_a_judge_at_work_forgets_too(stuck: psycopg.Connection, forget: Forget) -> None:
    with judging(server_of(stuck)) as (log, session):
        write(stuck, 100, "now() + interval '2 years'")
        judge_until_level(log, session)  # lido is in memory, and not written down
        forget()
        with pytest.raises(Overtaken):
            session.flush()
    write(stuck, 200)
    write(stuck, 300)
    assert told(stuck) == [("lido", "200", "300")]


def test_a_quarantine_ends_without_a_word(writer: psycopg.Connection, forget: Forget) -> None:
    install(writer, tvl=PLAIN | {"glitch_guard": {"factor": 2}})
    for value in (100, 900):
        write(writer, value)
    assert told(writer) == []
    (one,) = forget("--json").document["forgotten"]
    write(writer, 900)
    assert (one["is_quarantined"], told(writer)) == (True, [])


def test_a_plain_watch_goes_on_from_what_the_row_held(writer: psycopg.Connection, forget: Forget) -> None:
    install(writer, tvl=PLAIN)
    for value in (100, 101):
        write(writer, value)
    forget()
    assert writer.execute("SELECT count(*) FROM rtp.baseline").fetchone() == (0,)
    write(writer, 102)
    write(writer, 103)
    assert told(writer) == [("lido", "100", "101"), ("lido", "101", "103")]


def test_a_writer_at_work_keeps_it_waiting_for_seconds_only(
    writer: psycopg.Connection, connect_again: Callable[[], psycopg.Connection], forget: Forget
) -> None:
    install(writer, tvl=PLAIN)
    write(writer, 100)
    other = connect_again()
    with other.transaction():
        write(other, 200)
        done = forget()
    assert (done.code, "nothing was forgotten" in done.err) == (2, True)


def test_it_asks_first(stuck: psycopg.Connection, forget: Forget) -> None:
    done = forget(yes=False)
    assert (done.code, "Say --yes" in done.err, told(stuck)) == (2, True, [])
    assert stuck.execute("SELECT count(*) FROM rtp.baseline WHERE entity = 'lido'").fetchone() == (1,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--chain", "base"], "nothing is remembered of lido on base, of kind tvl"),
        (["--watch", "others"], "nothing is remembered of lido, of watch others"),
    ],
)
def test_what_nobody_remembers_is_named(
    stuck: psycopg.Connection, forget: Forget, arguments: list[str], said: str
) -> None:
    done = forget(*arguments)
    assert (done.code, said in done.err) == (2, True)


def test_a_near_name_is_suggested(stuck: psycopg.Connection, forget: Forget) -> None:
    assert "Did you mean: lido" in forget(entity="lidoo").err


def test_it_must_be_told_of_what(command: Command) -> None:
    done = command("forget", "--protocol", "lido")
    assert (done.code, "Give --kind or --watch" in done.err) == (2, True)


def test_a_stream_sources_memory_goes_from_redis(command: Command, redis_url: str, tmp_path: Path) -> None:
    watch = PLAIN | {"shape": "history"}
    path = tmp_path / "rtp.yaml"
    path.write_text(yaml.safe_dump({"watches": {"tvl": watch}, "dynamodb": {"tables": {"tvl": {"table": "tvl"}}}}))
    processor = build_processor(load_settings(path, environ={}, options={"redis.url": redis_url}))
    table = Table("tvl", ("protocol", "updated_at"))

    def put(value: str, at: str) -> list[tuple[Any, Any]]:
        record = table.put(chain="ethereum", protocol="lido", tvl_usd={"N": value}, updated_at=at)
        return [(event.data.previous, event.data.current) for event in processor.process([record]).events]

    assert [*put("100", "2024-01-01"), *put("100", "2199-01-01"), *put("200", "2024-01-02")] == []
    done = command(
        "forget", "--config", str(path), "--redis-url", redis_url, "--watch", "tvl", "--protocol", "lido", "-y"
    )
    assert done.code == 0, done.err
    assert [*put("200", "2024-01-02"), *put("300", "2024-01-03")] == [("200", "300")]
