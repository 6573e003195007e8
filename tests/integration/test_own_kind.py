"""A kind that only a settings file knows: everything works for it, and nothing but the file names it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis
import yaml

from core.handler.build import build_processor
from core.processor.build import build_pipeline
from core.settings.models import Settings, postgres_dsn
from core.sinks.settings import load_settings
from tests.command import Command, Done
from tests.dynamodb import Table
from tests.eventually import eventually
from triggers.installer import apply, plan_installation

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_sqs import SQSClient

    from tests.conftest import SqsQueue

KINDS: dict[str, Any] = {
    "apy_7d": {"entity": "pool", "percent": 5, "suffix": "%"},
    "pool_info": {"entity": "pool", "value": False},
}
WATCHES: dict[str, Any] = {
    "pools": {
        "kind": "apy_7d",
        "table": "public.pools",
        "columns": {"pool": "pool", "value": "apy", "chain": "chain"},
        "overrides": [{"pool": "wild*", "percent": 50}],
    },
    "facts": {
        "kind": "pool_info",
        "table": "public.pools",
        "columns": {"pool": "pool", "chain": "chain"},
        "watched": ["dex"],
    },
}
TABLE = """\
CREATE TABLE public.pools (chain text, pool text, apy numeric, dex text, PRIMARY KEY (chain, pool));
INSERT INTO pools VALUES ('base', 'eth-usdc', 4, 'aero'), ('base', 'wild-cat', 4, 'aero')
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A settings file with the kinds, their watches, and a route for one of them."""
    path = tmp_path / "rtp.yaml"
    document = {
        "kinds": KINDS,
        "watches": WATCHES,
        "redis": {"cache": {"ttl": {"apy_7d": "10m"}}},
        "routes": [{"match": {"kind": "apy_7d", "pool": "eth*"}, "channel": "yield"}],
        "dynamodb": {"tables": {"pools": {"table": "defi-pools", "attributes": {"pool": "id"}}}},
    }
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture
def own(config: Path, settings: Settings) -> Settings:
    """The same as settings, with all of rtp's services."""
    options = {"postgres.dsn": postgres_dsn(settings), "redis.url": settings.redis.url, "sqs.queue": settings.sqs.queue}
    loaded = load_settings(config, environ={}, options=options)
    sqs = loaded.sqs.model_copy(update=settings.sqs.model_dump(include={"endpoint_url", "region"}))
    return loaded.model_copy(update={"sqs": sqs})


@pytest.fixture
def pools(own: Settings, writer: psycopg.Connection) -> psycopg.Connection:
    """A writer of the watched table."""
    writer.execute(TABLE)
    apply(writer, plan_installation(writer, own))
    return writer


@pytest.fixture
def delivered(own: Settings, pools: psycopg.Connection) -> Iterator[Callable[[str], list[Any]]]:
    """Runs a statement on the pools, and waits until its one event is everywhere; the stream's documents."""
    pipeline = build_pipeline(own, on_problem=lambda _: None)
    pipeline.start()
    with redis.Redis.from_url(own.redis.url or "", decode_responses=True) as client:

        def deliver(statement: str) -> list[Any]:
            before: Any = client.xlen("rtp:stream")
            pools.execute(statement.encode())
            eventually(lambda: client.xlen("rtp:stream") == before + 1)
            eventually(lambda: all(one.metrics.delivered > before for one in pipeline.deliveries))
            entries: Any = client.xrange("rtp:stream")
            return [json.loads(fields["event"]) for _, fields in entries]

        yield deliver
    pipeline.stop()


@pytest.fixture
def client(own: Settings) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(own.redis.url or "", decode_responses=True) as client:
        yield client


@pytest.fixture
def rtp(command: Command, config: Path, own: Settings) -> Callable[..., Done]:
    """Runs a command with that file."""

    def run(*arguments: str) -> Done:
        environ = {"RTP_POSTGRES_DSN": postgres_dsn(own), "RTP_REDIS_URL": own.redis.url or ""}
        return command(*arguments, "--config", str(config), environ=environ)

    return run


CHANGE = "UPDATE pools SET apy = 5.2 WHERE pool = 'eth-usdc'"


def test_a_change_is_an_event_of_that_kind(delivered: Callable[[str], list[Any]]) -> None:
    (event,) = delivered(CHANGE)
    assert (event["type"], event["subject"], event["data"]["kind"]) == ("rtp.apy_7d.changed", "base/eth-usdc", "apy_7d")
    assert (event["data"]["previous"], event["data"]["current"], event["data"]["change_pct"]) == ("4", "5.2", "30")


def test_its_percent_and_its_overrides_decide(pools: psycopg.Connection) -> None:
    pools.execute("UPDATE pools SET apy = 4.19 WHERE pool = 'eth-usdc'")
    pools.execute("UPDATE pools SET apy = 5.9 WHERE pool = 'wild-cat'")
    assert pools.execute("SELECT count(*) FROM rtp.event").fetchone() == (0,)


def test_the_event_is_cached_for_its_own_time_and_published(
    delivered: Callable[[str], list[Any]], client: redis.Redis
) -> None:
    with client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
        subscription.subscribe("rtp:events:apy_7d:base:eth-usdc", "rtp:route:yield")
        (event,) = delivered(CHANGE)
        heard = [eventually(subscription.get_message) for _ in range(2)]
    assert [json.loads(message["data"])["id"] for message in heard] == [event["id"]] * 2
    assert client.hget("rtp:cache:apy_7d:base:eth-usdc", "sequence") == event["sequence"]
    assert 500 < client.ttl("rtp:cache:apy_7d:base:eth-usdc") <= 600


def test_the_event_is_an_alert(
    delivered: Callable[[str], list[Any]], sqs_client: SQSClient, sqs_queue: SqsQueue
) -> None:
    (event,) = delivered(CHANGE)
    (message,) = sqs_client.receive_message(QueueUrl=sqs_queue.url, AttributeNames=["All"])["Messages"]
    assert json.loads(message["Body"]) == event
    assert message["Attributes"]["MessageGroupId"] == "base:eth-usdc"


def test_metadata_of_such_a_kind_is_reported_by_its_fields(delivered: Callable[[str], list[Any]]) -> None:
    (event,) = delivered("UPDATE pools SET dex = 'uni' WHERE pool = 'eth-usdc'")
    assert (event["type"], event["data"]["fields"]) == (
        "rtp.pool_info.changed",
        {"dex": {"previous": "aero", "current": "uni"}},
    )


def test_explain_knows_it(rtp: Callable[..., Done], pools: psycopg.Connection) -> None:
    pools.execute(CHANGE)
    (found,) = rtp("explain", "--kind", "apy_7d", "--entity", "eth-usdc", "--json").document["entities"]
    assert (found["state"]["value"], found["judged"]["current"], found["events"][0]["change_pct"]) == (
        "5.2",
        "5.2",
        "30",
    )
    assert "peg" not in [key["key"] for key in found["judged"]["rule"]]


def test_backtest_counts_its_events(rtp: Callable[..., Done], pools: psycopg.Connection, config: Path) -> None:
    pools.execute(
        "CREATE TABLE public.pool_history AS"
        " SELECT 'base' AS chain, 'p' AS pool, v AS apy, now() + (v - 120) * interval '1 m' AS at"
        " FROM generate_series(100, 120, 4) AS v"
    )
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    document["watches"]["pools"]["columns"]["changed_at"] = "at"
    config.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    found = rtp("backtest", "--history", "pool_history", "--json").document
    assert (found["kind"], found["samples"], found["results"][0]["events"]) == ("apy_7d", 6, 2)


def test_tail_shows_it_with_the_settings_and_without(
    rtp: Callable[..., Done], command: Command, delivered: Callable[[str], list[Any]], own: Settings
) -> None:
    delivered(CHANGE)
    shown = rtp("tail", "--kind", "apy_7d", "--since", "0", "--count", "1").out
    assert "4.00% → 5.20%" in shown
    environ = {"RTP_REDIS_URL": own.redis.url or ""}
    plain = command("tail", "--kind", "apy_7d", "--since", "0", "--count", "1", environ=environ).out
    assert "4.00 → 5.20 " in plain


def test_the_cache_commands_know_it(rtp: Callable[..., Done], delivered: Callable[[str], list[Any]]) -> None:
    delivered(CHANGE)
    got = rtp("cache", "get", "--kind", "apy_7d", "--chain", "base", "--entity", "eth-usdc", "--json").document
    assert (got["value"], got["source"]) == ("5.2", "cache")
    info = rtp("cache", "get", "--kind", "pool_info", "--chain", "base", "--entity", "wild-cat", "--json").document
    assert info["fields"] == {"dex": "aero"}
    assert rtp("cache", "warm", "--kind", "apy_7d", "--json").document["entities"] == 2
    kinds = {kind["kind"]: kind["keys"] for kind in rtp("cache", "stats", "--json").document["kinds"]}
    assert kinds["apy_7d"] == 2
    assert rtp("cache", "clear", "--kind", "apy_7d", "--json").document == {"removed": 2}


def test_route_says_where_it_goes(rtp: Callable[..., Done]) -> None:
    found = rtp("route", "--kind", "apy_7d", "--entity", "eth-usdc", "--pct", "7", "--json").document
    assert (found["event"]["severity"], found["channels"][-1]) == ("warning", "rtp:route:yield")


def test_validate_is_content_with_it(rtp: Callable[..., Done], pools: psycopg.Connection) -> None:
    done = rtp("validate", "--installed", "--json")
    assert (done.code, done.document["problems"], done.document["drift"]) == (0, [], [])


def test_dead_letters_are_chosen_by_it(rtp: Callable[..., Done], pools: psycopg.Connection) -> None:
    assert rtp("dlq", "list", "--kind", "apy_7d", "--json").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "--entity", "x"),
        ("route", "--entity", "x"),
        ("tail",),
        ("dlq", "list"),
        ("cache", "clear"),
        ("cache", "get", "--entity", "x"),
        ("cache", "warm"),
    ],
    ids=" ".join,
)
def test_a_kind_that_the_settings_do_not_have_is_refused(
    rtp: Callable[..., Done], pools: psycopg.Connection, arguments: tuple[str, ...]
) -> None:
    done = rtp(*arguments, "--kind", "apr")
    assert (done.code, done.err.strip()) == (
        2,
        "option --kind: must be one of tvl, price, protocol, apy_7d, pool_info, not 'apr'."
        " Kinds of your own come from the settings file: --config",
    )


def test_a_near_miss_of_a_kind_is_named(rtp: Callable[..., Done], pools: psycopg.Connection) -> None:
    assert "Did you mean apy_7d?" in rtp("route", "--kind", "apy_7", "--entity", "x").err


def test_a_wrong_kind_is_one_line_with_its_place(rtp: Callable[..., Done], config: Path) -> None:
    config.write_text("kinds:\n  tvl: {entity: pool}\n" + yaml.safe_dump({"watches": {}}), encoding="utf-8")
    done = rtp("validate")
    line = f"{config}:2: kinds.tvl: rtp has a kind tvl of its own. Give yours another name"
    assert (done.code, done.err.strip()) == (2, line)


def test_the_dynamodb_source_judges_it(own: Settings) -> None:
    table = Table("defi-pools", ("chain", "id"))
    records = [table.put(chain="base", id="eth-usdc", apy={"N": apy}) for apy in ("4", "4.1", "5.2")]
    (event,) = build_processor(own).process(records).events
    assert (event.type, event.data.entity, event.data.change_pct) == ("rtp.apy_7d.changed", "eth-usdc", "30")


def test_a_mapping_to_another_column_starts_from_that_columns_values(
    config: Path, own: Settings, pools: psycopg.Connection
) -> None:
    pools.execute(
        "ALTER TABLE pools ADD id text; UPDATE pools SET id = upper(pool); CREATE UNIQUE INDEX ON pools (chain, id)"
    )
    document = own.own_document()
    document["watches"]["pools"]["columns"]["pool"] = "id"
    apply(pools, plan_installation(pools, Settings.model_validate(document)))
    baselines = pools.execute("SELECT DISTINCT entity FROM rtp.baseline WHERE value IS NOT NULL ORDER BY 1").fetchall()
    assert baselines == [("ETH-USDC",), ("WILD-CAT",)]
