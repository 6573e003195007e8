"""The containers of the synthesised task of `rtp run`, started in the order that ECS keeps, on real servers.

Their commands and environment are the template's. What the template refers to is replaced: hosts, queues, secrets.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
import redis

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import psycopg
    from mypy_boto3_sqs import SQSClient

    from core.stack import EmbeddedStack
    from tests.command import Command
    from tests.conftest import SqsQueue

pytestmark = pytest.mark.timeout(600)  # most of it waits for the templates, on a machine that may be busy
ROUTED = ("rtp-critical.fifo", "rtp-critical-dlq.fifo")


@pytest.fixture
def containers(assembly: Path) -> Mapping[str, Any]:
    """By name."""
    template = json.loads((assembly / "rtp-postgres.template.json").read_text(encoding="utf-8"))
    tasks = [found for found in template["Resources"].values() if found["Type"] == "AWS::ECS::TaskDefinition"]
    (run,) = (task for task in tasks if len(task["Properties"]["ContainerDefinitions"]) > 1)
    return {one["Name"]: one for one in run["Properties"]["ContainerDefinitions"]}


@pytest.fixture
def surroundings(
    cloud: EmbeddedStack,
    database: str,
    redis_url: str,
    sqs_queue: SqsQueue,
    sqs_client: SQSClient,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, str]]:
    """What stands for the values that refer to other resources, and the addresses of the endpoint."""
    endpoint = cloud.addresses.sqs_endpoint_url or ""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint)
    secrets = boto3.client("secretsmanager", endpoint_url=endpoint, region_name="us-east-1")
    postgres, valkey = urlsplit(database), urlsplit(redis_url)
    name = f"rtp/{uuid.uuid4().hex}"
    held = {"username": postgres.username, "password": postgres.password}
    secrets.create_secret(Name=f"{name}/postgres", SecretString=json.dumps(held))
    secrets.create_secret(Name=f"{name}/redis", SecretString=json.dumps({"password": valkey.password}))
    urls = [sqs_client.create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})["QueueUrl"] for queue in ROUTED]
    yield {
        "RTP_POSTGRES_DSN": (
            f"host={postgres.hostname} port={postgres.port} dbname={postgres.path[1:]} user={postgres.username}"
        ),
        "RTP_POSTGRES_SECRET": f"{name}/postgres",
        "RTP_REDIS_URL": f"redis://{valkey.hostname}:{valkey.port}/0",
        "RTP_REDIS_SECRET": f"{name}/redis",
        "RTP_SQS_QUEUE": sqs_queue.name,
        "RTP_DEAD_LETTER_QUEUE": "rtp-failures",
        "RTP_SQS_ENDPOINT_URL": sqs_queue.endpoint_url,
        "AWS_DEFAULT_REGION": sqs_queue.region,
        "RTP_HTTP_LISTEN": "127.0.0.1:0",
    }
    secrets.close()
    for url in urls:
        sqs_client.delete_queue(QueueUrl=url)


def environ_of(container: Mapping[str, Any], surroundings: Mapping[str, str]) -> dict[str, str]:
    written = {one["Name"]: one["Value"] for one in container["Environment"]}
    assert {name for name, value in written.items() if not isinstance(value, str)} <= set(surroundings)
    return {**{name: str(value) for name, value in written.items()}, **surroundings}


def test_the_triggers_are_there_before_rtp_run_starts_and_serves(
    containers: Mapping[str, Any],
    surroundings: Mapping[str, str],
    bare: psycopg.Connection,
    redis_url: str,
    assembly: Path,
    command: Command,
) -> None:
    def start(container: Mapping[str, Any], *more: str) -> None:
        config = str(assembly.parent / "rtp.yaml")
        words = [config if word == "/app/rtp.yaml" else word for word in container["Command"][1:]]
        done = command(*words, *more, environ=environ_of(container, surroundings))
        assert done.code == 0, done.out + done.err

    bare.execute("CREATE TABLE samples (token text NOT NULL, price numeric NOT NULL, time timestamptz NOT NULL)")
    (needed,) = containers["rtp"]["DependsOn"]
    start(containers[needed["ContainerName"]])
    bare.execute("INSERT INTO tvl (chain, protocol, tvl_usd, source) VALUES ('base', 'lido', 100, 'test')")
    bare.execute("UPDATE tvl SET tvl_usd = 200")
    start(containers["rtp"], "--until-idle")
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen("rtp:stream") == 1
