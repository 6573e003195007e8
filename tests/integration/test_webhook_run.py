"""Webhooks in the whole pipeline: nothing is lost, order is kept, and one webhook's trouble is not another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from core.processor.build import build_pipeline
from core.settings.file import default_path
from core.settings.models import CircuitBreakerSettings, Settings, postgres_dsn
from core.sinks.webhook.settings import WebhookSettings
from tests.command import Command, Done
from tests.eventually import eventually
from tests.tvl_table import write
from tests.webhook_server import Reply, WebhookServer, webhook_server

if TYPE_CHECKING:
    from pathlib import Path

    from core.problem import Problem
    from core.processor.pipeline import Pipeline

Start = Callable[..., "Pipeline"]
PROMPT = {
    "retry_initial_seconds": 0.05,
    "retry_max_seconds": 0.05,
    "circuit_breaker": CircuitBreakerSettings(failures=3, open_seconds=0.05),
}


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook_server() as running:
        yield running


@pytest.fixture
def problems() -> list[Problem]:
    return []


@pytest.fixture
def start(installed: Settings, problems: list[Problem]) -> Iterator[Start]:
    """Starts rtp with these webhooks, and stops it after the test."""
    started: list[Pipeline] = []

    def start_one(section: dict[str, Any]) -> Pipeline:
        update = {
            "run": installed.run.model_copy(update=PROMPT),
            "webhook": WebhookSettings.model_validate(section),
        }
        pipeline = build_pipeline(installed.model_copy(update=update), on_problem=problems.append)
        started.append(pipeline)
        pipeline.start()
        eventually(lambda: all(delivery.metrics.idle_since for delivery in pipeline.deliveries))
        return pipeline

    yield start_one
    for pipeline in started:
        pipeline.stop()


def values(server: WebhookServer, entity: str = "lido") -> list[str]:
    return [event["data"]["current"] for event in server.events if event["data"]["entity"] == entity]


@pytest.mark.parametrize("mode", ["structured", "batched"])
def test_nothing_is_lost_and_order_is_kept_while_the_receiver_comes_and_goes(
    start: Start, server: WebhookServer, writer: psycopg.Connection, mode: str
) -> None:
    start({"url": server.url, "mode": mode, "timeout_seconds": 1})
    write(writer, 1)
    for power in range(1, 13):
        if power % 4 == 1:
            server.kill()
        write(writer, 2**power)
        write(writer, 3**power, entity="aave")
        if power % 4 == 3:
            server.start()
    eventually(lambda: values(server)[-1:] == ["4096"] and values(server, "aave")[-1:] == ["531441"])
    assert list(dict.fromkeys(values(server))) == [str(2**power) for power in range(1, 13)]
    assert list(dict.fromkeys(values(server, "aave"))) == [str(3**power) for power in range(2, 13)]


def test_what_can_never_succeed_is_a_dead_letter_that_can_be_sent_again(
    start: Start,
    server: WebhookServer,
    writer: psycopg.Connection,
    rtp: Callable[..., Done],
) -> None:
    server.reply = lambda _: Reply(422, body=b"unknown protocol")
    pipeline = start({"url": server.url})
    write(writer, 1, 2)
    eventually(lambda: pipeline.deliveries[0].metrics.dead_letters == 1)
    pipeline.stop()
    (letter,) = rtp("dlq", "list", "--json").out.splitlines()
    found = json.loads(letter)
    assert (found["sink"], found["error"]) == ("webhook", "it answers 422: unknown protocol")
    server.reply = lambda _: Reply()
    assert rtp("dlq", "retry", "--sink", "webhook").code == 0
    assert values(server) == ["2"]


def test_of_a_storm_of_refusals_the_first_are_told_and_the_rest_is_counted(
    start: Start, server: WebhookServer, writer: psycopg.Connection, problems: list[Problem]
) -> None:
    server.reply = lambda _: Reply(400)
    pipeline = start({"url": server.url})
    write(writer, *(2**power for power in range(30)))
    eventually(lambda: pipeline.deliveries[0].metrics.dead_letters == 29)
    pipeline.stop()
    told = [(problem.facts["events"], "more" in problem.text) for problem in problems if "dead letter" in problem.text]
    assert (sum(events for events, _ in told), [is_sum for _, is_sum in told]) == (29, [False] * 5 + [True])


def test_an_event_gets_only_where_it_belongs(start: Start, server: WebhookServer, writer: psycopg.Connection) -> None:
    start({"lido": {"url": server.url, "match": {"protocol": "lido"}}})
    write(writer, 1, 2, entity="aave")
    write(writer, 1, 2)
    eventually(lambda: values(server) == ["2"])
    assert values(server, "aave") == []


def test_one_webhooks_outage_is_not_anothers(start: Start, server: WebhookServer, writer: psycopg.Connection) -> None:
    with webhook_server() as other:
        pipeline = start({"here": {"url": server.url}, "there": {"url": other.url}})
        other.kill()
        write(writer, 1, 2)
        eventually(lambda: values(server) == ["2"])
        states = {circuit.service: circuit.is_closed for circuit in pipeline.circuits}
        eventually(lambda: not next(c for c in pipeline.circuits if c.service == "Webhook there").is_closed)
        assert states["Webhook here"]
        other.start()
        eventually(lambda: values(other) == ["2"])


def test_a_webhook_that_refuses_rtp_is_named_and_gets_all_once_it_is_mended(
    start: Start, server: WebhookServer, writer: psycopg.Connection, problems: list[Problem]
) -> None:
    server.reply = lambda _: Reply(401)
    start({"url": server.url})
    write(writer, 1, 2, 4)
    eventually(lambda: any("refuses: it answers 401" in problem.text for problem in problems))
    server.reply = lambda _: Reply()
    eventually(lambda: values(server) == ["2", "4"])


def test_a_new_webhook_begins_with_the_next_event(
    start: Start, server: WebhookServer, writer: psycopg.Connection
) -> None:
    write(writer, 1, 2)
    start({"url": server.url})
    write(writer, 4)
    eventually(lambda: values(server) == ["4"])


def test_a_stop_before_the_backlog_is_through_gives_up_no_request_that_is_answered_soon(
    start: Start, server: WebhookServer, writer: psycopg.Connection
) -> None:
    server.reply = lambda _: Reply(pause_seconds=0.2)
    pipeline = start({"url": server.url, "concurrency": 1})
    write(writer, *(2**power for power in range(30)))
    eventually(lambda: server.taken)
    assert pipeline.stop()


# The commands


@pytest.fixture
def rtp(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    installed: Settings,
    server: WebhookServer,
    tmp_path: Path,
) -> Callable[..., Done]:
    """Runs `rtp` with the default settings and the server as the only sink."""
    command, file = Command(capsys, monkeypatch), tmp_path / "rtp.yaml"
    text = default_path().read_text(encoding="utf-8").replace("  queue: rtp-alerts.fifo", "")
    file.write_text(text, encoding="utf-8")
    places = {"RTP_POSTGRES_DSN": postgres_dsn(installed), "RTP_WEBHOOK_URL": server.url}
    return lambda *words, **environ: command(*words, "--config", str(file), environ=places | environ)


def test_validate_posts_nothing(rtp: Callable[..., Done], server: WebhookServer) -> None:
    assert (rtp("validate").code, server.posted) == (0, [])


def test_validate_names_a_webhook_that_does_not_answer(rtp: Callable[..., Done], server: WebhookServer) -> None:
    server.kill()
    done = rtp("validate")
    line = f"Webhook at http://127.0.0.1:{server.port} is not reachable: Connection refused\n"
    assert (done.code, done.err) == (2, line)


def test_only_who_posts_needs_the_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, installed: Settings, tmp_path: Path
) -> None:
    command, file = Command(capsys, monkeypatch), tmp_path / "rtp.yaml"
    text = default_path().read_text(encoding="utf-8").replace("  queue: rtp-alerts.fifo", "")
    file.write_text(f"{text}\nwebhook: {{url: {{env: NOT_SET}}}}\n", encoding="utf-8")
    number = file.read_text(encoding="utf-8").count("\n")
    options = ("--config", str(file), "--postgres-dsn", postgres_dsn(installed))
    assert command("status", *options).code == 0
    for name in ("validate", "run"):
        done = command(name, *options)
        line = f"{file}:{number}: webhook.url: names the environment variable NOT_SET, which is not set. Set it\n"
        assert (done.code, done.err) == (2, line)


def test_no_secret_is_shown(rtp: Callable[..., Done], server: WebhookServer) -> None:
    for words in (("validate", "--json"), ("status",), ("run", "--until-idle", "--json")):
        done = rtp(*words)
        assert "s3cret" not in done.out + done.err
    server.kill()
    done = rtp("run", "--for", "1s", "--json")
    assert "is not reachable" in done.err
    assert "s3cret" not in done.out + done.err


def test_route_names_the_webhook(rtp: Callable[..., Done]) -> None:
    told = rtp("route", "--kind", "tvl", "--protocol", "lido", "--pct", "7", "--json").document
    assert told["sinks"] == ["webhook"]
