"""The synthesised template, deployed to the embedded endpoint: items written there become events and alerts.

The endpoint has no Valkey, no network and no secrets worth the name: what belongs to these is left out, and the handler
gets the address of a real Valkey instead. It runs functions with this Python, and no other.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import redis
import yaml

from core.stack import EmbeddedStack
from tests.assembly import ROUTED, TABLES
from tests.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).parents[2]
SERVICES = (
    *("cloudformation", "sqs", "dynamodb", "dynamodbstreams", "lambda", "iam", "s3", "logs", "sts"),
    *("kms", "events", "sns", "monitoring"),
)
LEFT_OUT = ("AWS::EC2::", "AWS::ECS::", "AWS::ElastiCache::", "AWS::SecretsManager::")
CODE = {
    "HandlerFunction": (ROOT / "core", ROOT / "rtp_client"),
    "ConsumerFunction": (ROOT / "infrastructure" / "consumer",),
}
BUCKET = "cdk-hnb659fds-assets-000000000000-us-east-1"
STACK = "rtp-streams"

pytestmark = pytest.mark.timeout(600)  # ten seconds of work, synthesis included, on a machine that may be busy


@dataclass(frozen=True)
class Deployment:
    """Where the stack is."""

    endpoint_url: str
    redis_url: str

    def client(self, service: Any) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint_url, region_name="us-east-1")


def deployable(template: dict[str, Any], redis_url: str, endpoint_url: str) -> dict[str, Any]:
    """The template without what the endpoint lacks. A reference to something left out becomes `nothing`."""
    resources = {name: found for name, found in template["Resources"].items() if not found["Type"].startswith(LEFT_OUT)}
    gone = set(template["Resources"]) - set(resources)
    for found in resources.values():
        found["DependsOn"] = [name for name in found.get("DependsOn", ()) if name not in gone]
        if found["Type"] == "AWS::Lambda::Function":
            properties = found["Properties"]
            properties.pop("VpcConfig", None)
            variables = properties["Environment"]["Variables"]
            variables |= {"PATH": os.defpath, "AWS_ENDPOINT_URL": endpoint_url}
            if variables.pop("RTP_REDIS_SECRET", None):
                variables["RTP_REDIS_URL"] = redis_url
    bare: dict[str, Any] = without(gone, resources)
    return {"Resources": bare}


def without(gone: set[str], part: Any) -> Any:
    if isinstance(part, list):
        return [without(gone, member) for member in part]
    if not isinstance(part, dict):
        return part
    target = part.get("Ref") or (part.get("Fn::GetAtt") or [""])[0]
    return "nothing" if target in gone else {name: without(gone, member) for name, member in part.items()}


def packed(packages: Sequence[Path], **files: str) -> bytes:
    """A function's code: packages beside one another, or the consumer's single file; and further files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for package in packages:
            base = package.parent if len(packages) > 1 else package
            for path in sorted(package.rglob("*")):
                if path.is_file() and "__pycache__" not in path.parts:
                    zipped.write(path, path.relative_to(base))
        for name, text in files.items():
            zipped.writestr(name, text)
    return archive.getvalue()


def upload_code(deployment: Deployment, template: dict[str, Any], settings: str) -> None:
    """As `cdk deploy` does: the functions' code in the bucket that `cdk bootstrap` makes."""
    store = deployment.client("s3")
    for name, found in template["Resources"].items():
        if found["Type"] == "AWS::Lambda::Function":
            code = packed(CODE[name[:-8]], **{"rtp.yaml": settings})
            store.put_object(Bucket=BUCKET, Key=found["Properties"]["Code"]["S3Key"], Body=code)


@pytest.fixture(scope="module")
def deployment(stack: EmbeddedStack, assembly: Path) -> Iterator[Deployment]:
    template = json.loads((assembly / f"{STACK}.template.json").read_text(encoding="utf-8"))
    with EmbeddedStack(durable=False, services=SERVICES) as running:
        made = Deployment(running.addresses.sqs_endpoint_url, running.addresses.redis_url)
        made.client("s3").create_bucket(Bucket=BUCKET)
        deploy(made, STACK, template, assembly)
        yield made


def deploy(deployment: Deployment, name: str, template: dict[str, Any], assembly: Path) -> None:
    settings = yaml.safe_load((assembly.parent / "rtp.yaml").read_text(encoding="utf-8"))
    place = {"endpoint_url": deployment.endpoint_url, "region": "us-east-1"}
    settings["sqs"] |= place
    settings["dynamodb"] |= place
    upload_code(deployment, template, yaml.safe_dump(settings))
    cloudformation = deployment.client("cloudformation")
    body = json.dumps(deployable(template, deployment.redis_url, deployment.endpoint_url))
    cloudformation.create_stack(StackName=name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
    eventually(lambda: "PROGRESS" not in status(cloudformation, name), within_seconds=60)
    assert status(cloudformation, name) == "CREATE_COMPLETE", failures(cloudformation, name)


def status(cloudformation: Any, name: str) -> str:
    return str(cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"])


def failures(cloudformation: Any, name: str) -> list[str]:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if "FAILED" in event["ResourceStatus"]
    ]


def events_of(kind: str, redis_url: str, count: int) -> list[Any]:
    """The events of a kind, once there are so many."""

    def found(store: redis.Redis) -> list[Any]:
        entries: Any = store.xrange("rtp:stream")
        events = [json.loads(entry[b"event"]) for _, entry in entries]
        return [event for event in events if event["data"]["kind"] == kind]

    with redis.Redis.from_url(redis_url) as store:
        eventually(lambda: len(found(store)) >= count, within_seconds=90)
        return found(store)


def test_items_written_to_the_stacks_table_become_events_and_alerts(deployment: Deployment) -> None:
    dynamodb, sqs = deployment.client("dynamodb"), deployment.client("sqs")
    for value in ("100", "100.5", "102", "204"):
        item = {"protocol": {"S": "lido"}, "chain": {"S": "base"}, "tvl_usd": {"N": value}}
        dynamodb.put_item(TableName=TABLES["tvl"], Item=item)
    events = events_of("tvl", deployment.redis_url, 2)
    assert [(event["data"]["current"], event["data"]["severity"]) for event in events] == [
        ("102", "info"),
        ("204", "critical"),
    ]
    # The default queue's alerts are taken by the stack's own consumer, which notes each one's id.
    (seen,) = (name for name in dynamodb.list_tables()["TableNames"] if name not in TABLES.values())
    eventually(lambda: dynamodb.scan(TableName=seen)["Count"] == 2, within_seconds=90)
    url = sqs.get_queue_url(QueueName=ROUTED["queue"])["QueueUrl"]
    (alert,) = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []), within_seconds=30)
    assert json.loads(alert["Body"]) == events[1]


def test_a_record_that_cannot_be_read_ends_in_the_stacks_failure_queue(deployment: Deployment) -> None:
    dynamodb, sqs = deployment.client("dynamodb"), deployment.client("sqs")
    item = {"protocol": {"S": "aave"}, "chain": {"S": "base"}, "tvl_usd": {"S": "many"}}
    dynamodb.put_item(TableName=TABLES["tvl"], Item=item)
    url = sqs.get_queue_url(QueueName="rtp-failures")["QueueUrl"]
    (message,) = eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []), within_seconds=90)
    assert json.loads(message["Body"])["reason"] == "watch tvl: attribute tvl_usd is not a number"


def make_what_a_team_has(deployment: Deployment) -> dict[str, str]:
    """Tables and queues as `EXISTING` names them; the ARN of each table's stream, by the table's ARN."""
    dynamodb, sqs = deployment.client("dynamodb"), deployment.client("sqs")
    for queue in ("alerts.fifo", "critical.fifo", "critical-dlq.fifo"):
        sqs.create_queue(QueueName=queue, Attributes={"FifoQueue": "true"})
    sqs.create_queue(QueueName="failures")
    names = {"defi-tvl", "defi-protocols", "defi-samples", "team-prices"}
    for name in names - set(dynamodb.list_tables()["TableNames"]):
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "token", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "token", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
    tables = [dynamodb.describe_table(TableName=name)["Table"] for name in names]
    return {table["TableArn"]: table["LatestStreamArn"] for table in tables}


def test_a_tables_stream_and_queues_that_are_there_are_used(deployment: Deployment, assembly: Path) -> None:
    dynamodb, sqs = deployment.client("dynamodb"), deployment.client("sqs")
    text = (assembly / "team-streams.template.json").read_text(encoding="utf-8")
    text = text.replace("eu-west-1", "us-east-1").replace("123456789012", "000000000000")
    for table, stream in make_what_a_team_has(deployment).items():
        text = re.sub(rf"{re.escape(table)}/stream/[^\"]+", stream, text)
    team = replace(deployment, redis_url=deployment.redis_url.rpartition("/")[0] + "/1")
    deploy(team, "team-streams", json.loads(text), assembly)
    for price in ("1", "1.5"):
        item = {"token": {"S": "dai"}, "chain": {"S": "base"}, "price_usd": {"N": price}}
        dynamodb.put_item(TableName="team-prices", Item=item)
    (event,) = events_of("price", team.redis_url, 1)
    assert event["data"]["current"] == "1.5"
    url = sqs.get_queue_url(QueueName="alerts.fifo")["QueueUrl"]
    assert eventually(lambda: sqs.receive_message(QueueUrl=url).get("Messages", []), within_seconds=30)
