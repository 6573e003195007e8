"""The commands on a stream source, without PostgreSQL: what they show is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import redis
import yaml

from cli.output import out
from core.handler.build import build_poller
from core.sinks.settings import load_settings
from tests.command import Command
from tests.fed import create_table, fed_document, put, write_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.handler.poller import StreamPoller
    from core.stack import EmbeddedStack


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setattr(out, "width", 200)
    return Command(capsys, monkeypatch)


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> str:
    return create_table(dynamodb)


@pytest.fixture
def config(cloud: EmbeddedStack, table: str, cloud_store: redis.Redis, tmp_path: Path) -> Path:
    return write_config(tmp_path, fed_document(cloud, table))


@pytest.fixture
def poller(config: Path) -> StreamPoller:
    return build_poller(load_settings(config, environ={}, options={}), on_problem=print)


@pytest.fixture
def ask(command: Command, config: Path) -> Callable[..., Any]:
    """What a command says with --json."""

    def run(*arguments: str) -> Any:
        done = command(*arguments, "--config", str(config), "--json")
        assert done.code == 0, done.err
        return done.document

    return run


def test_status_tells_what_was_done_of_each_shard_and_what_waits_behind(
    ask: Callable[..., Any], poller: StreamPoller, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100", "102")
    poller.poll()
    poller.tick()
    put(dynamodb, table, "lido", "104")
    seen = ask("status")
    (told,) = seen["tables"]
    (shard,) = (one for one in told["shards"] if one["progress"])
    assert (told["table"], told["watches"], told["view_type"]) == (table, ["tvl"], "NEW_AND_OLD_IMAGES")
    assert (shard["progress"]["records"], shard["progress"]["events"], shard["state"]) == (2, 1, "open")
    assert shard["checkpoint"] == shard["progress"]["sequence_number"]
    assert shard["waiting_since"] is not None
    assert [(one["watch"], one["baselines"]) for one in seen["watches"]] == [("tvl", 1)]
    assert seen["ticks"]["last_at"] is not None
    assert seen["rebuilding"] == []
    board = ask("top")
    assert [(one["entity"], one["value"]) for one in board["movers"]] == [("lido", "102")]
    assert [(one["sink"], one["state"], one["delivered"]) for one in board["sinks"]] == [(table, "active", 1)]
    poller.poll()
    (shard,) = (one for one in ask("status")["tables"][0]["shards"] if one["progress"])
    assert (shard["progress"]["records"], shard["waiting_since"]) == (3, None)


def test_status_for_people_names_table_shard_and_letters(
    command: Command, config: Path, poller: StreamPoller, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "x" * 600, "1")
    poller.poll()
    shown = command("status", "--config", str(config))
    assert shown.code == 0, shown.err
    assert table in shown.out
    assert "rtp:dead-letters" in shown.out


def test_status_names_a_table_that_is_not_there_and_tells_of_the_others(
    command: Command, cloud: EmbeddedStack, table: str, cloud_store: redis.Redis, tmp_path: Path
) -> None:
    document = fed_document(cloud, table)
    document["watches"]["more"] = document["watches"]["tvl"] | {"table": "more"}
    document["dynamodb"]["tables"]["more"] = {"table": "not-there"}
    path = write_config(tmp_path, document)
    done = command("status", "--config", str(path), "--json")
    assert {one["table"]: one["problem"] for one in done.document["tables"]} == {
        table: None,
        "not-there": "there is no DynamoDB table not-there in region us-east-1. Check dynamodb.tables and region",
    }


def test_validate_finds_a_sound_source_well_and_says_where_dead_letters_stay(
    command: Command, config: Path, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100")
    done = command("validate", "--config", str(config))
    assert (done.code, done.out) == (0, "All is well: 1 watch, and every service answers.\n")
    assert done.err.splitlines() == [
        "note: dynamodb.dead_letter_queue is not set: the newest 10,000 dead letters stay in Redis"
    ]


@pytest.mark.parametrize(
    ("view_type", "said"),
    [
        (None, "has no stream. Enable one of NEW_AND_OLD_IMAGES"),
        ("NEW_IMAGE", "shows NEW_IMAGE, and rtp needs NEW_AND_OLD_IMAGES. Disable it and enable one with both"),
    ],
)
def test_validate_refuses_a_stream_that_has_not_both_images(
    command: Command,
    cloud: EmbeddedStack,
    dynamodb: DynamoDBClient,
    cloud_store: redis.Redis,
    tmp_path: Path,
    view_type: str | None,
    said: str,
) -> None:
    path = write_config(tmp_path, fed_document(cloud, create_table(dynamodb, view_type=view_type)))
    done = command("validate", "--config", str(path))
    assert (done.code, said in done.err) == (2, True), done.err


def test_validate_tries_the_attributes_on_some_items(
    command: Command,
    cloud: EmbeddedStack,
    dynamodb: DynamoDBClient,
    table: str,
    cloud_store: redis.Redis,
    tmp_path: Path,
) -> None:
    put(dynamodb, table, "lido", "100")
    document = fed_document(cloud, table)
    document["dynamodb"]["tables"]["tvl"]["attributes"] = {"value": "tvl"}
    done = command("validate", "--config", str(write_config(tmp_path, document)))
    assert (done.code, "attribute tvl, the value, is in none of 1 item" in done.err) == (2, True), done.err
    dynamodb.put_item(TableName=table, Item={"protocol": {"S": "aave"}, "chain": {"S": "x" * 600}})
    document["dynamodb"]["tables"]["tvl"]["attributes"] = {"value": "tvl_usd"}
    done = command("validate", "--config", str(write_config(tmp_path, document)))
    assert (done.code, "1 of 2 items would be dead letters; the first is" in done.err) == (0, True), done.err


def test_validate_names_a_queue_and_a_table_that_are_not_there(
    command: Command, cloud: EmbeddedStack, cloud_store: redis.Redis, tmp_path: Path
) -> None:
    document = fed_document(cloud, "not-there", "nowhere.fifo")
    document["dynamodb"]["dead_letter_queue"] = "nowhere-failures"
    done = command("validate", "--config", str(write_config(tmp_path, document)), "--json")
    problems = done.document["problems"]
    assert done.code == 2
    assert [name for name in ("nowhere.fifo", "nowhere-failures", "not-there") if name in " ".join(problems)] == [
        "nowhere.fifo",
        "nowhere-failures",
        "not-there",
    ]
    assert len(problems) == 3


def test_validate_warns_of_a_history_whose_partitions_are_not_its_entities(
    command: Command, cloud: EmbeddedStack, dynamodb: DynamoDBClient, cloud_store: redis.Redis, tmp_path: Path
) -> None:
    columns = {"protocol": "protocol", "chain": "chain", "value": "tvl_usd", "changed_at": "at"}
    table = create_table(dynamodb, "id")
    document = fed_document(cloud, table, shape="history", columns=columns)
    put(dynamodb, table, "lido", "100", id="1", at="2024-01-01T00:00:00Z")
    done = command("validate", "--config", str(write_config(tmp_path, document)))
    assert (done.code, f"table {table} is partitioned by id" in done.err) == (0, True), done.err


def test_validate_knows_a_partition_key_with_a_dot_in_its_name(
    command: Command, cloud: EmbeddedStack, dynamodb: DynamoDBClient, cloud_store: redis.Redis, tmp_path: Path
) -> None:
    table = create_table(dynamodb, "the.protocol")
    columns = {"protocol": "protocol", "chain": "chain", "value": "tvl_usd", "changed_at": "at"}
    document = fed_document(cloud, table, shape="history", columns=columns)
    document["dynamodb"]["tables"]["tvl"]["attributes"] = {"protocol": ["the.protocol"]}
    done = command("validate", "--config", str(write_config(tmp_path, document)))
    assert (done.code, "is partitioned by" in done.err) == (0, False), done.err


def test_validate_warns_of_a_where_that_lambdas_filters_cannot_hold(
    command: Command, cloud: EmbeddedStack, dynamodb: DynamoDBClient, cloud_store: redis.Redis, tmp_path: Path
) -> None:
    table = create_table(dynamodb)
    document = fed_document(cloud, table)
    document["dynamodb"]["tables"]["tvl"]["where"] = {"type": ["x" * 900 + str(number) for number in range(9)]}
    done = command("validate", "--config", str(write_config(tmp_path, document)))
    assert (done.code, f"`where` of table {table} has more to say than Lambda's 5 filters" in done.err) == (0, True)


def test_explain_tells_what_became_of_the_newest_value_and_what_the_table_holds(
    ask: Callable[..., Any], poller: StreamPoller, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100", "102")
    poller.poll()
    (found,) = ask("explain", "--kind", "tvl", "--protocol", "lido")["entities"]
    assert (found["source"], found["chain"], found["state"]["value"]) == ("dynamodb", "base", "102")
    assert (found["conclusion"]["outcome"], found["conclusion"]["reason"]) == ("reported", "deviation")
    assert [(one["previous"], one["current"]) for one in found["events"]] == [("100", "102")]
    put(dynamodb, table, "lido", "110")
    (found,) = ask("explain", "--kind", "tvl", "--protocol", "lido")["entities"]
    assert (found["judged"]["current"], found["judged"]["current_from"]) == ("110", "table")
    assert (found["conclusion"]["outcome"], found["conclusion"]["reason"]) == ("unjudged", "deviation")


def test_explain_for_people_speaks_of_the_stream(
    command: Command, config: Path, poller: StreamPoller, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100")
    poller.poll()
    put(dynamodb, table, "lido", "110")
    shown = command("explain", "--kind", "tvl", "--protocol", "lido", "--config", str(config)).out
    assert f"tvl of lido on base, watch tvl on DynamoDB table {table}" in shown
    assert "no record of this was judged so far: reported with its record: deviation" in shown
    assert "Of the newest events in Redis, none is of it." in shown


def test_explain_does_not_promise_an_event_of_a_value_that_is_refused(
    command: Command,
    cloud: EmbeddedStack,
    dynamodb: DynamoDBClient,
    table: str,
    cloud_store: redis.Redis,
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path, fed_document(cloud, table, reject=["negative"]))
    put(dynamodb, table, "lido", "100", "-5")
    build_poller(load_settings(config, environ={}, options={}), on_problem=print).poll()
    shown = command("explain", "--kind", "tvl", "--protocol", "lido", "--config", str(config)).out
    assert "no event: `reject` refuses such a value" in shown
    assert "reported with its record" not in shown


def test_explain_looks_into_the_table_where_nothing_is_remembered(
    ask: Callable[..., Any], command: Command, config: Path, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100")
    (found,) = ask("explain", "--kind", "tvl", "--protocol", "lido", "--chain", "base")["entities"]
    assert (found["judged"]["current"], found["conclusion"]["outcome"]) == ("100", "unknown")
    done = command("explain", "--kind", "tvl", "--protocol", "lidoo", "--config", str(config))
    assert (done.code, "nothing is remembered of tvl lidoo" in done.err) == (2, True)


def test_explain_leaves_out_a_watch_whose_chain_is_another_one(
    ask: Callable[..., Any], config: Path, poller: StreamPoller, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100", "102")
    poller.poll()
    document = yaml.safe_load(config.read_text(encoding="utf-8"))
    of_another = {
        "table": "other",
        "columns": {"chain": {"const": "other"}, "protocol": "protocol", "value": "tvl_usd"},
    }
    document["watches"]["other"] = document["watches"]["tvl"] | of_another
    document["dynamodb"]["tables"]["other"] = {"table": create_table(dynamodb)}
    write_config(config.parent, document)
    found = ask("explain", "--kind", "tvl", "--protocol", "lido", "--chain", "base")["entities"]
    assert [one["watch"] for one in found] == ["tvl"]


def test_explain_says_when_metadata_was_last_told_of(
    command: Command, config: Path, cloud: EmbeddedStack, dynamodb: DynamoDBClient, table: str
) -> None:
    columns = {"protocol": "protocol", "chain": "chain"}
    document = fed_document(cloud, table)
    document["watches"] = {"tvl": {"kind": "protocol", "table": "names", "columns": columns, "watched": ["title"]}}
    write_config(config.parent, document)
    put(dynamodb, table, "lido", "1", title="Lido")
    build_poller(load_settings(config, environ={}, options={}), on_problem=print).poll()
    shown = command("explain", "--kind", "protocol", "--protocol", "lido", "--config", str(config)).out
    assert "known    last told of 20" in shown


def test_cache_get_reads_what_is_not_cached_from_the_table(
    ask: Callable[..., Any], command: Command, config: Path, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100")
    asked = ("cache", "get", "--kind", "tvl", "--protocol", "lido", "--chain", "base")
    entry = ask(*asked)
    assert (entry["value"], entry["source"], ask(*asked)["source"]) == ("100", "database", "cache")
    done = command("cache", "get", "--kind", "tvl", "--protocol", "nobody", "--chain", "base", "--config", str(config))
    assert (done.code, "neither the cache nor the table knows tvl of nobody" in done.err) == (2, True)


def test_cache_warm_fills_what_has_a_baseline_and_is_not_cached(
    ask: Callable[..., Any], poller: StreamPoller, dynamodb: DynamoDBClient, table: str
) -> None:
    put(dynamodb, table, "lido", "100")
    put(dynamodb, table, "aave", "7")
    poller.poll()
    assert ask("cache", "clear", "--all")["removed"] == 2
    assert ask("cache", "warm") == {"entities": 2, "filled": 2}
    assert {one["kind"]: one["keys"] for one in ask("cache", "stats")["kinds"]}["tvl"] == 2
