"""What `rtp run` says on standard error: JSON lines for machines, the same facts in words for people."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.sinks.sqs.messages import BATCH_BYTES
from rtp_client.redact import redact
from tests.eventually import eventually as eventually_within
from tests.rtp_process import RtpProcess, environ_of, rtp
from tests.tvl_table import write

if TYPE_CHECKING:
    from pathlib import Path

    from core.settings.models import Settings
    from core.stack import EmbeddedStack

eventually = partial(eventually_within, within_seconds=60)
Run = Callable[..., AbstractContextManager[RtpProcess]]

CONFIG = """\
redis: {timeout_seconds: 0.2}
run: {circuit_breaker: {failures: 2, open_seconds: 0.2}}
watches:
  tvl:
    kind: tvl
    table: public.tvl
    columns: {chain: chain, protocol: protocol, value: tvl_usd, provenance: source}
"""


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Run:
    config = tmp_path / "rtp.yaml"
    config.write_text(CONFIG, encoding="utf-8")

    @contextmanager
    def run(*arguments: str, **environ: str) -> Iterator[RtpProcess]:
        with rtp("run", "--config", str(config), *arguments, environ=environ_of(settings) | environ) as process:
            eventually(lambda: "starts" in process.err or "watch tvl" in process.err)
            yield process

    return run


def lines(process: RtpProcess) -> list[dict[str, Any]]:
    """The whole lines of standard error, each a JSON document."""
    return [json.loads(line) for line in process.err.splitlines(keepends=True) if line.endswith("\n")]


def line(process: RtpProcess, text: str) -> dict[str, Any]:
    """The first line whose message holds the text, once it is there."""
    found: list[dict[str, Any]] = eventually(lambda: [d for d in lines(process) if text in d["message"]])
    return found[0]


def event_id(connection: psycopg.Connection) -> str:
    """The first event's."""
    found = connection.execute(
        "SELECT log_id || '-' || xid || '-' || id FROM rtp.event, rtp.installation ORDER BY id LIMIT 1"
    ).fetchone()
    assert found is not None
    return str(found[0])


def test_every_line_is_a_document_that_says_when_how_grave_who_and_what(run: Run, settings: Settings) -> None:
    with run("--log-format", "json") as process:
        assert process.end(signal.SIGINT) == 0
        seen = lines(process)
    assert all({"time", "level", "logger", "message"} <= set(document) for document in seen)
    assert all(datetime.fromisoformat(document["time"]).utcoffset() is not None for document in seen)
    assert seen[0]["message"].endswith("starts")
    assert seen[0]["addresses"]["redis"] == redact(settings.redis.url or "")
    assert seen[-1]["message"].startswith("Stopped.")
    assert seen[-1]["delivered"] == {"redis": 0, "sqs": 0}


def test_standard_output_stays_as_it_is(run: Run) -> None:
    with run("--log-format", "json", "--json") as process:
        process.end(signal.SIGINT)
        assert all("sinks" in document for document in process.documents)


def test_a_dead_letter_names_its_event_sink_and_service(run: Run, writer: psycopg.Connection) -> None:
    write(writer, 100)
    with run("--log-format", "json") as process:
        write(writer, 200, source="x" * BATCH_BYTES)
        found = line(process, "dead letter")
    assert (found["logger"], found["level"]) == ("rtp.delivery", "warning")
    assert (found["sink"], found["service"]) == ("sqs", "SQS")
    assert (found["events"], found["event_ids"]) == (1, [event_id(writer)])
    assert "bytes" in found["error"]


def test_people_read_the_same_of_it(run: Run, writer: psycopg.Connection) -> None:
    write(writer, 100)
    with run() as process:
        write(writer, 200, source="x" * BATCH_BYTES)
        process.wait_for("sqs: 1 event became a dead letter: the message has", within_seconds=60)
        process.wait_for(f"({event_id(writer)})", within_seconds=60)


def test_the_transitions_of_a_circuit_are_told(run: Run, writer: psycopg.Connection, stack: EmbeddedStack) -> None:
    write(writer, 100)
    with run("--log-format", "json") as process:
        stack.redis.pause()
        try:
            write(writer, 200)
            opened = line(process, "circuit open")
        finally:
            stack.redis.resume()
        recovered = line(process, "Redis: recovered")
    assert (opened["logger"], opened["service"], opened["circuit"]) == ("rtp.circuit", "Redis", "open")
    assert opened["failures_in_a_row"] >= 2
    assert (recovered["level"], recovered["circuit"]) == ("info", "closed")
    assert recovered["away_seconds"] > 0


def test_at_debug_level_each_batch_names_its_events(run: Run, writer: psycopg.Connection) -> None:
    write(writer, 100)
    with run("--log-format", "json", "--log-level", "debug") as process:
        write(writer, 200)
        found = line(process, "redis: delivered 1 event")
    assert (found["level"], found["event_ids"]) == ("debug", [event_id(writer)])


def test_at_warning_level_a_start_and_a_stop_are_no_lines(settings: Settings) -> None:
    with rtp("run", "--log-level", "warning", "--for", "1s", environ=environ_of(settings)) as process:
        assert process.end() == 0
        assert process.err == ""


def test_an_end_by_an_error_is_a_document_too(database: str, settings: Settings) -> None:
    environ = environ_of(settings) | {"RTP_POSTGRES_DSN": database, "RTP_LOG_FORMAT": "json"}
    with rtp("run", environ=environ) as process:
        code = process.end()
        last = lines(process)[-1]
    assert (code, last["level"]) == (2, "error")
    assert last["message"] == "the database has no rtp schema. Run `rtp install-triggers` first"


def test_no_secret_reaches_a_line(run: Run) -> None:
    url = "redis://:sesame-open@127.0.0.1:1/0"
    with run("--log-format", "json", "--log-level", "debug", RTP_REDIS_URL=url) as process:
        line(process, "circuit open")
        assert "sesame-open" not in process.err


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("--log-format", "xml", "option --log-format: must be one of text, json, not 'xml'"),
        ("--log-level", "loud", "option --log-level: must be one of debug, info, warning, error, not 'loud'"),
    ],
)
def test_what_is_no_format_or_level_is_one_line_and_exit_code_2(option: str, value: str, complaint: str) -> None:
    with rtp("run", option, value) as process:
        assert (process.end(), process.err) == (2, f"{complaint}\n")
