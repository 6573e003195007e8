"""The synthesised template, deployed to the embedded endpoint: items written there become events and alerts.

The endpoint has no Valkey, no network and no secrets worth the name: what belongs to these is left out, and the handler
gets the address of a real Valkey instead. It runs functions with this Python, and no other.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from dataclasses import dataclass
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
LEFT_OUT = ("AWS::EC2::", "AWS::ElastiCache::", "AWS::SecretsManager::")
CODE = {
    "HandlerFunction": (ROOT / "core", ROOT / "rtp_client"),
    "ConsumerFunction": (ROOT / "infrastructure" / "consumer",),
}
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
    store, bucket = deployment.client("s3"), "cdk-hnb659fds-assets-000000000000-us-east-1"
    store.create_bucket(Bucket=bucket)
    for name, found in template["Resources"].items():
        if found["Type"] == "AWS::Lambda::Function":
            code = packed(CODE[name[:-8]], **{"rtp.yaml": settings})
            store.put_object(Bucket=bucket, Key=found["Properties"]["Code"]["S3Key"], Body=code)


@pytest.fixture(scope="module")
def deployment(stack: EmbeddedStack, assembly: Path) -> Iterator[Deployment]:
    template = json.loads((assembly / f"{STACK}.template.json").read_text(encoding="utf-8"))
    with EmbeddedStack(durable=False, services=SERVICES) as running:
        made = Deployment(running.addresses.sqs_endpoint_url, running.addresses.redis_url)
        settings = yaml.safe_load((assembly.parent / "rtp.yaml").read_text(encoding="utf-8"))
        place = {"endpoint_url": made.endpoint_url, "region": "us-east-1"}
        settings["sqs"] |= place
        settings["dynamodb"] |= place
        upload_code(made, template, yaml.safe_dump(settings))
        cloudformation = made.client("cloudformation")
        body = json.dumps(deployable(template, made.redis_url, made.endpoint_url))
        cloudformation.create_stack(StackName=STACK, TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        eventually(lambda: "PROGRESS" not in status(cloudformation), within_seconds=60)
        assert status(cloudformation) == "CREATE_COMPLETE", failures(cloudformation)
        yield made


def status(cloudformation: Any) -> str:
    return str(cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])


def failures(cloudformation: Any) -> list[str]:
    events = cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    return [
        f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in events
        if "FAILED" in event["ResourceStatus"]
    ]


def test_items_written_to_the_stacks_table_become_events_and_alerts(deployment: Deployment) -> None:
    dynamodb, sqs = deployment.client("dynamodb"), deployment.client("sqs")
    for value in ("100", "100.5", "102", "204"):
        item = {"protocol": {"S": "lido"}, "chain": {"S": "base"}, "tvl_usd": {"N": value}}
        dynamodb.put_item(TableName=TABLES["tvl"], Item=item)
    with redis.Redis.from_url(deployment.redis_url) as store:
        entries: Any = eventually(
            lambda: found if len(found := store.xrange("rtp:stream")) == 2 else [], within_seconds=90
        )
    events = [json.loads(entry[b"event"]) for _, entry in entries]
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
