"""`rtp loadtest`, run as users run it: against a stack of its own, and against a configured one."""

from __future__ import annotations

import contextlib
import csv
import json
import signal
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from core.services.postgres import connect
from core.settings.models import postgres_dsn
from loadtests.scenarios.results.result import read_result
from loadtests.shared.rtp_run import write_config
from tests.catalog_snapshot import catalog_of
from tests.leftovers import own_place
from tests.results import result
from tests.rtp_process import environ_of, rtp

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from core.settings.models import Settings
    from core.stack import EmbeddedStack
    from loadtests.scenarios.results.result import RunResult
    from tests.command import Command
    from tests.rtp_process import RtpProcess

END_SECONDS = 100


def about_latency(name: str) -> bool:
    """Whether a criterion depends on how fast the machine is that runs the tests."""
    return "p99" in name or name == "throughput"


@pytest.mark.timeout(180)
def test_a_short_run_from_end_to_end(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("run.json", "report.html", "locust")}
    with (
        own_place() as place,
        rtp(
            *("loadtest", "--rate", "1000", "--duration", "1s", "--json", str(files["run.json"])),
            *("--html", str(files["report.html"]), "--csv", str(files["locust"])),
            environ=place.environ | {"COLUMNS": "200"},
        ) as process,
    ):
        code, out, errors = process.process.wait(END_SECONDS), process.out, process.err
        assert place.leftovers() == []
    found = read_result(files["run.json"])
    judged = {criterion.name: criterion.passed for criterion in found.criteria}
    assert code == (0 if found.passed else 1), errors
    assert {passed for name, passed in judged.items() if not about_latency(name)} == {True}, judged
    received = {receiver: account.received for receiver, account in found.received.items()}
    assert received == dict.fromkeys(("pubsub", "stream", "sqs"), found.written)
    counted = {stage: found.latency_ms[stage].count for stage in ("pubsub", "pubsub from commit", "sqs from commit")}
    assert counted == dict.fromkeys(counted, 1000)
    assert files["report.html"].read_text(encoding="utf-8").startswith("<!doctype html>")
    assert all(criterion.name in out for criterion in found.criteria)
    with (tmp_path / "locust_stats.csv").open(encoding="utf-8") as rows:
        request_types = {row["Type"] for row in csv.DictReader(rows)}
    assert request_types == {"db", "pubsub", "sqs", "detect", "process", "cache", ""}


@pytest.mark.timeout(180)
def test_a_configured_stack_is_left_as_it_was(installed: Settings, redis_url: str, tmp_path: Path) -> None:
    settings = with_redis(installed, redis_url)
    before = installed_in(settings)
    report = tmp_path / "run.json"
    options = ("--scenario", "append", "--rate", "1000", "--duration", "1s", "--json", str(report))
    with loadtest_without_sqs(settings, tmp_path, *options) as process:
        process.process.wait(END_SECONDS)
        errors = process.err
    assert report.exists(), errors
    found = read_result(report)
    assert {criterion.passed for criterion in found.criteria if not about_latency(criterion.name)} == {True}
    assert f"a schema rtp_loadtest with one table of {1000:,} protocols" in errors
    assert found.latency_ms["pubsub commit to judge"].count == 1000
    assert installed_in(settings) == before
    assert cached(settings) == []


@dataclass(frozen=True)
class Forgetful:
    """What came of `crash` on an rtp that was running already, with a Redis that forgot everything again and again."""

    result: RunResult
    code: int
    is_rtp_running: bool


@pytest.fixture(scope="module")
def forgetful(shared_settings: Settings, stack: EmbeddedStack, tmp_path_factory: pytest.TempPathFactory) -> Forgetful:
    environ = environ_of(shared_settings)
    report = tmp_path_factory.mktemp("forgetful") / "run.json"
    with redis.Redis.from_url(stack.addresses.redis_url) as client, rtp("run", environ=environ) as running:
        client.flushall()
        running.wait_for('"state": "running"')
        options = ("--scenario", "crash", "--rate", "1000", "--duration", "1s", "--json", str(report))
        with rtp("loadtest", *options, environ=environ) as process:
            while process.process.poll() is None:
                client.flushdb()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.process.wait(0.05)
        return Forgetful(read_result(report), process.end(), running.process.poll() is None)


@pytest.mark.timeout(180)
def test_an_rtp_that_runs_already_is_used_and_left_running(forgetful: Forgetful) -> None:
    found = forgetful.result
    assert (forgetful.is_rtp_running, found.received["sqs"].received) == (True, found.written)
    assert {c.name: c.passed for c in found.criteria}["detection p99"] is None


@pytest.mark.timeout(180)
def test_a_failing_criterion_is_exit_code_1(forgetful: Forgetful) -> None:
    """Readers of the cache miss what Redis has forgotten."""
    failed = [criterion.name for criterion in forgetful.result.criteria if criterion.passed is False]
    assert ("cache hit ratio" in failed, forgetful.code) == (True, 1)


@pytest.mark.timeout(180)
def test_ctrl_c_leaves_nothing_behind(installed: Settings, redis_url: str, tmp_path: Path) -> None:
    settings = with_redis(installed, redis_url)
    before = installed_in(settings)
    with loadtest_without_sqs(settings, tmp_path, "--rate", "200") as process:
        process.wait_for("published", within_seconds=60)
        process.send(signal.SIGINT)
        assert process.process.wait(END_SECONDS) == 130
    assert installed_in(settings) == before
    assert cached(settings) == []


def with_redis(installed: Settings, url: str) -> Settings:
    """Settings for all of rtp but SQS."""
    return installed.model_copy(update={"redis": installed.redis.model_copy(update={"url": url})})


def loadtest_without_sqs(settings: Settings, folder: Path, *options: str) -> AbstractContextManager[RtpProcess]:
    """A run on a configured stack that is about something else than alerts: they take a fifth of its CPU."""
    config = folder / "rtp.yaml"
    write_config(settings, config)
    environ = {name: value for name, value in environ_of(settings).items() if value}
    return rtp("loadtest", "--config", str(config), *options, environ=environ)


def installed_in(settings: Settings) -> set[str]:
    """What is installed in the database; how many sequences were given does not count."""
    with connect(postgres_dsn(settings), role="test") as connection:
        return {line for line in catalog_of(connection) if not line.startswith("('sequence'")}


def cached(settings: Settings) -> list[bytes]:
    """The load test's cache entries that are left."""
    with redis.Redis.from_url(settings.redis.url or "") as client:
        return list(client.scan_iter("rtp:cache:tvl:rtp-loadtest:*"))


@pytest.mark.parametrize(
    ("option", "address", "service"),
    [
        ("--postgres-dsn", "postgresql://rtp@db.example/defi", "PostgreSQL"),
        ("--redis-url", "rediss://cache.example:6379/0", "Redis"),
        ("--sqs-endpoint-url", "https://sqs.eu-west-1.amazonaws.com", "SQS"),
    ],
)
def test_a_target_elsewhere_has_to_be_meant(
    command: Command, settings: Settings, option: str, address: str, service: str
) -> None:
    done = command("loadtest", option, address, environ=environ_of(settings))
    assert done.code == 2
    assert done.err.splitlines() == [
        f"{service} of this target cannot be told to be on this machine. "
        "A load test there has to be meant: add --i-own-this-target"
    ]


def test_amazons_own_sqs_is_elsewhere(command: Command, settings: Settings) -> None:
    done = command("loadtest", environ=environ_of(settings) | {"RTP_SQS_ENDPOINT_URL": ""})
    assert done.code == 2
    assert done.err.startswith("SQS of this target cannot be told to be on this machine")


def test_a_schema_that_is_there_already_is_not_touched(command: Command, settings: Settings) -> None:
    with connect(postgres_dsn(settings), role="test") as connection:
        connection.execute("CREATE SCHEMA rtp_loadtest")
        done = command("loadtest", environ=environ_of(settings))
        assert done.code == 2
        assert "has a schema rtp_loadtest already" in done.err
        assert connection.execute("SELECT to_regnamespace('rtp_loadtest')::text").fetchone() == ("rtp_loadtest",)


def test_a_queue_that_is_missing_is_named_before_anything_is_made(
    command: Command, settings: Settings, writer: psycopg.Connection
) -> None:
    done = command("loadtest", environ=environ_of(settings) | {"RTP_SQS_QUEUE": "lost.fifo"})
    assert done.code == 2
    assert "find no queue lost.fifo in region us-east-1. Make it: `aws sqs create-queue" in done.err
    assert writer.execute("SELECT to_regnamespace('rtp_loadtest')::text").fetchone() == (None,)


def test_settings_that_are_not_installed_are_refused(
    command: Command, settings: Settings, writer: psycopg.Connection
) -> None:
    writer.execute("DROP TABLE public.protocols")
    done = command("loadtest", environ=environ_of(settings))
    assert done.code == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--scenario", "flood"), "option --scenario: must be one of steady, bulk, append, burst, crash, soak"),
        (("--rate", "0"), "option --rate: must be a number of rows per second, from 1 to 200000, not '0'"),
        (
            ("--duration", "soon"),
            "option --duration: must be a duration from 1s to 24h, like 500ms, 30s, 5m or 1h, not 'soon'",
        ),
        (("--json", "/no/such/folder/run.json"), "/no/such/folder is no folder. Name a file in one that exists"),
        (("--html", "/"), "/ is a folder. Name a file in it"),
        (("--web", "65536"), "option --web: must be a port, from 1 to 65535, not '65536'"),
        (("--find-limit", "--csv", "run"), "option --csv is about a single run: it does not go with --find-limit"),
        (("--find-limit", "--compare", "a", "b"), "options --compare and --find-limit do not go together"),
    ],
)
def test_wrong_input_is_one_line(command: Command, arguments: tuple[str, ...], complaint: str) -> None:
    done = command("loadtest", *arguments)
    assert (done.code, done.err.splitlines()) == (2, [complaint])


def test_a_port_that_is_taken_is_named_before_anything_starts(command: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = command("loadtest", "--web", port)
    assert (done.code, done.err.splitlines()) == (2, [f"option --web: port {port} is taken. Name another one"])


def test_two_results_are_compared(command: Command, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("before.json", "after.json")]
    for file, p99_ms in zip(files, (8.0, 4.0), strict=True):
        file.write_text(result({"pubsub": p99_ms}).model_dump_json(), encoding="utf-8")
    done = command("loadtest", "--compare", *map(str, files), "--json", "-")
    ratios = {one["name"]: one["ratio"] for one in json.loads(done.out)["differences"]}
    assert (done.code, ratios["update to subscriber, p99 ms"]) == (0, 0.5)
    assert "update to subscriber, p99 ms" in command("loadtest", "--compare", *map(str, files)).out


def test_what_is_no_result_is_not_compared(command: Command, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    done = command("loadtest", "--compare", str(tmp_path / "a.json"), str(tmp_path / "a.json"))
    assert done.code == 2
    assert "is not the result of a load test of this version" in done.err
