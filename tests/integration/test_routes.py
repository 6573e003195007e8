"""Routes on their way: queues with cursors of their own, extra channels, and changes that lose nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml

from core.kinds import SHIPPED
from core.processor.build import build_pipeline
from core.settings.models import Settings, postgres_dsn
from core.settings.routes import route_model
from rtp_client.postgres import address
from tests.command import Command
from tests.eventually import eventually
from tests.queue_drain import drain_events
from tests.tvl_table import write

if TYPE_CHECKING:
    from pathlib import Path

    import psycopg
    from mypy_boto3_sqs import SQSClient

    from core.processor.pipeline import Pipeline
    from core.stack import EmbeddedStack

NO_STACK = {"RTP_STATE_DIR": "/nowhere"}
Start = Callable[..., "Pipeline"]


@pytest.fixture
def start(settings: Settings) -> Iterator[Start]:
    """Starts a pipeline with these routes; the one before is stopped."""
    running: list[Pipeline] = []

    def start_with(*routes: dict[str, Any], problems: list[str] | None = None) -> Pipeline:
        for pipeline in running:
            pipeline.stop()
        running.clear()
        made = tuple(map(route_model(SHIPPED).model_validate, routes))
        told = [] if problems is None else problems
        pipeline = build_pipeline(
            settings.model_copy(update={"routes": made}), on_problem=lambda one: told.append(str(one))
        )
        running.append(pipeline)
        pipeline.start()
        eventually(lambda: all(one.metrics.state != "starting" for one in pipeline.deliveries))
        return pipeline

    yield start_with
    for pipeline in running:
        pipeline.stop()


@pytest.fixture
def values(sqs_client: SQSClient) -> Callable[[str], list[str]]:
    """What a queue has got since the test began."""
    received: dict[str, list[str]] = {}

    def of(name: str) -> list[str]:
        url, got = sqs_client.get_queue_url(QueueName=name)["QueueUrl"], received.setdefault(name, [])
        got += [event["data"]["current"] for event in drain_events(sqs_client, url)]
        return got

    return of


def has_settled(pipeline: Pipeline) -> bool:
    return bool(eventually(lambda: pipeline.idle_seconds() > 0.05))


def test_a_queue_gets_what_its_route_matches_and_the_default_everything(
    start: Start, desk: str, writer: psycopg.Connection, values: Callable[[str], list[str]], settings: Settings
) -> None:
    write(writer, 1)
    write(writer, 1, entity="aave")
    start({"match": {"protocol": "aave"}, "queue": desk})
    write(writer, 2)
    write(writer, 3, entity="aave")
    write(writer, 4)
    assert eventually(lambda: sorted(values(settings.sqs.queue or "")) == ["2", "3", "4"])
    assert eventually(lambda: values(desk) == ["3"])


def test_what_a_route_does_not_match_is_counted_and_passed(start: Start, desk: str, writer: psycopg.Connection) -> None:
    write(writer, 1)
    pipeline = start({"match": {"protocol": "aave"}, "queue": desk})
    delivery = next(one for one in pipeline.deliveries if one.sink.name == f"sqs:{desk}")
    write(writer, 2, 4)
    assert eventually(lambda: delivery.metrics.skipped == 2)
    assert eventually(lambda: delivery.lag() == (0, 0.0))


def test_a_new_route_starts_with_what_comes_after_it(
    start: Start, desk: str, writer: psycopg.Connection, values: Callable[[str], list[str]]
) -> None:
    write(writer, 1, 2, 3)
    start({"queue": desk})
    write(writer, 4)
    assert eventually(lambda: values(desk)) == ["4"]


def test_what_an_open_transaction_wrote_before_the_route_comes_when_it_commits(
    start: Start, desk: str, connect_again: Callable[[], psycopg.Connection], values: Callable[[str], list[str]]
) -> None:
    writer, other = connect_again(), connect_again()
    write(writer, 1)
    write(other, 1, entity="aave")
    with writer.transaction():
        write(writer, 2)
        write(other, 3, entity="aave")
        start({"queue": desk})
    assert eventually(lambda: values(desk)) == ["2"]


def test_changed_routes_lose_nothing_of_a_queue_that_stays(
    start: Start, desk: str, writer: psycopg.Connection, values: Callable[[str], list[str]]
) -> None:
    write(writer, 1)
    first = start({"match": {"kind": "tvl"}, "queue": desk})
    write(writer, 2)
    eventually(lambda: values(desk) == ["2"])
    first.stop()
    write(writer, 4)
    start({"match": {"chain": "ethereum"}, "queue": desk}, {"channel": "other"})
    write(writer, 8)
    assert eventually(lambda: values(desk) == ["2", "4", "8"])


def test_a_queue_that_does_not_exist_holds_back_no_other(
    start: Start, writer: psycopg.Connection, values: Callable[[str], list[str]], settings: Settings
) -> None:
    write(writer, 1)
    problems: list[str] = []
    pipeline = start({"queue": "nowhere.fifo"}, problems=problems)
    missing = next(one for one in pipeline.deliveries if one.sink.name == "sqs:nowhere.fifo")
    eventually(lambda: missing.metrics.retries > 6)
    write(writer, 2)
    assert eventually(lambda: values(settings.sqs.queue or "") == ["2"])
    assert [status.opened for status in (one.status() for one in pipeline.circuits)] == [0, 0, 0]
    assert len([problem for problem in problems if "nowhere" in problem and "dead letters" not in problem]) == 1


def test_queues_of_one_endpoint_share_a_circuit_breaker(start: Start, desk: str) -> None:
    pipeline = start({"queue": desk})
    assert [circuit.service for circuit in pipeline.circuits] == ["PostgreSQL", "Redis", "SQS"]


def test_a_routes_channel_gets_the_event_besides_its_own(
    start: Start, writer: psycopg.Connection, settings: Settings
) -> None:
    write(writer, 1)
    start({"match": {"kind": "tvl"}, "channel": "desk*: a"}, {"match": {"kind": "price"}, "channel": "no"})
    with (
        redis.Redis.from_url(str(settings.redis.url), decode_responses=True) as client,
        client.pubsub(ignore_subscribe_messages=True) as subscription,
    ):
        subscription.psubscribe("rtp:*")
        subscription.get_message(timeout=5)
        write(writer, 2)
        messages = [subscription.get_message(timeout=5) for _ in range(2)]
    assert [message and message["channel"] for message in messages] == [
        "rtp:events:tvl:ethereum:lido",
        "rtp:route:desk%2A%3A%20a",
    ]


# Commands


@pytest.fixture
def config(tmp_path: Path, desk: str) -> Path:
    path = tmp_path / "rtp.yaml"
    path.write_text(
        f"""
watches:
  tvl: {{kind: tvl, table: public.tvl, columns: {{chain: chain, protocol: protocol, value: tvl_usd}}}}
routes:
  - {{name: desk, match: {{protocol: "li*", min_percent: 5}}, queue: {desk}, channel: desk}}
  - {{match: {{kind: price}}, channel: prices}}
"""
    )
    return path


def test_rtp_route_tells_where_an_event_goes(command: Command, config: Path, desk: str) -> None:
    words = ("--kind", "tvl", "--protocol", "lido", "--pct", "-7")
    told = command("route", *words, "--config", str(config), "--json", environ=NO_STACK).document
    assert (told["queues"], told["channels"]) == ([desk], ["rtp:events:tvl:ethereum:lido", "rtp:route:desk"])


def test_rtp_route_tells_why_a_route_does_not_match(command: Command, config: Path) -> None:
    words = ("--kind", "tvl", "--protocol", "lido", "--pct", "4.9")
    told = command("route", *words, "--config", str(config), "--json", environ=NO_STACK).document
    mismatches = [route["mismatch"] for route in told["routes"]]
    assert mismatches == ["it moved by 4.9 %, less than 5 %", "kind is tvl, not price"]


@pytest.mark.parametrize(
    "words", [("--kind", "x"), ("--pct", "x"), ("--severity", "x"), ("--reason", "x")], ids=lambda words: words[0]
)
def test_rtp_route_refuses_what_no_event_has(command: Command, config: Path, words: tuple[str, ...]) -> None:
    given = (
        "--protocol",
        "lido",
        "--config",
        str(config),
        *words,
        *(() if words[0] == "--kind" else ("--kind", "tvl")),
    )
    done = command("route", *given, environ=NO_STACK)
    assert (done.code, done.err.count("\n")) == (2, 1)


def test_rtp_route_without_an_address_looks_at_a_running_stack(command: Command, stack: EmbeddedStack) -> None:
    done = command("route", "--kind", "tvl", "--protocol", "lido", "--json")
    assert done.document["sinks"] == ["redis", "sqs"]
    place = address(stack.addresses.postgres_dsn)
    assert done.err == f"Looking at the running `rtp run --demo` {stack.name}: PostgreSQL at {place}\n"


def test_rtp_validate_without_an_address_looks_at_a_running_stack(command: Command, stack: EmbeddedStack) -> None:
    assert command("validate").err.startswith("Looking at the running `rtp run --demo` ")


def validate(command: Command, settings: Settings, config: Path, *words: str) -> Any:
    environ = {
        "RTP_POSTGRES_DSN": postgres_dsn(settings),
        "RTP_SQS_ENDPOINT_URL": settings.sqs.endpoint_url or "",
    }
    return command("validate", "--config", str(config), *words, environ=environ)


def test_rtp_validate_tells_where_samples_go_and_warns(
    command: Command, settings: Settings, config: Path, desk: str
) -> None:
    told = validate(command, settings, config, "--json").document
    assert told["valid"]
    assert told["warnings"] == [
        "routes[1] can never match: watch tvl raises kind tvl",
        f"queue {desk} has no dead letter queue: dead letters stay in rtp's own list only",
    ]
    assert [one["severity"] for one in told["destinations"]] == ["info", "warning", "critical"]


def test_rtp_validate_warns_of_a_route_that_fits_no_row(
    command: Command, settings: Settings, config: Path, writer: psycopg.Connection
) -> None:
    write(writer, 1)
    config.write_text(config.read_text().replace('protocol: "li*"', 'protocol: "li*", chain: etherum'))
    told = validate(command, settings, config, "--json").document["warnings"]
    assert told[1].startswith("routes[0] (desk) fits nothing that is there so far: no row is on chain etherum. Did you")


def test_rtp_validate_warns_of_an_override_that_fits_no_row(
    command: Command, settings: Settings, config: Path, writer: psycopg.Connection
) -> None:
    write(writer, 1, entity="Lido")
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["watches"]["tvl"]["overrides"] = [{"protocol": "lido", "percent": 5}]
    config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    assert (
        "watches.tvl.overrides[0] fits nothing that is there so far: no row is called lido."
        " Upper and lower case count: there is Lido"
        in validate(command, settings, config, "--json").document["warnings"]
    )


def test_rtp_validate_shows_the_samples(command: Command, settings: Settings, config: Path) -> None:
    done = validate(command, settings, config)
    assert (done.code, "Where a sample event would go" in done.out, "never match" in done.err) == (0, True, True)


def test_rtp_validate_names_a_routes_queue_that_does_not_exist(
    command: Command, settings: Settings, config: Path, desk: str
) -> None:
    config.write_text(config.read_text().replace(desk, "nowhere.fifo"))
    done = validate(command, settings, config)
    assert (done.code, "nowhere.fifo" in done.err) == (2, True)
