"""REST of a gateway whose source is a stream: DynamoDB's tables and the memories in Redis take PostgreSQL's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

from core.handler.build import build_poller
from core.settings.serve import ServeSettings
from core.sinks.settings import load_settings
from tests.fed import create_table, fed_document, put, write_config
from tests.gateway import serving
from tests.rest_client import answer

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_dynamodb import DynamoDBClient

    from core.stack import EmbeddedStack

PEGGED: dict[str, Any] = {
    "kind": "price",
    "columns": {"token": "protocol", "chain": "chain", "value": "tvl_usd"},
    "percent": 10,
    "peg": {"value": 100, "deviation_bps": 100},
}


def test_an_entity_its_peg_and_the_state_of_rtp(
    cloud: EmbeddedStack, dynamodb: DynamoDBClient, cloud_store: redis.Redis, tmp_path: Path
) -> None:
    table = create_table(dynamodb)
    settings = load_settings(write_config(tmp_path, fed_document(cloud, table, **PEGGED)), environ={}, options={})
    poller = build_poller(settings, on_problem=print)
    put(dynamodb, table, "usdc", "100", "98")
    poller.poll()
    with serving(settings.model_copy(update={"serve": ServeSettings(listen="127.0.0.1:0")})) as server:
        found = answer(server, "/v1/entities/price/base/usdc")
        (peg,) = answer(server, "/v1/pegs")["pegs"]
        status = answer(server, "/v1/status")
    assert (found["entry"]["value"], found["note"]) == ("98", None)
    watch = found["watch"]
    assert (watch["table"], watch["source"], watch["judged_by"]) == (table, "dynamodb", "stream reader")
    assert watch["conclusion"]["words"].endswith(": depeg")
    assert watch["baseline"]["off_peg_since"] == peg["off_since"] == found["events"][0]["data"]["changed_at"]
    assert (peg["distance_bps"], [one["data"]["reason"] for one in found["events"]]) == ("-200", ["depeg"])
    assert (status["source"], status["status"]["tables"][0]["table"]) == ("dynamodb", table)
