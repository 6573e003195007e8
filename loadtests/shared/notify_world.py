"""What `rtp notify` is measured and hurt in: Redis and SQS of our own, a queue, settings, and alerts to send."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from core.services.queue_client import queue_client
from core.settings.file import default_path
from core.settings.models import SqsSettings
from core.sinks.sqs.sink import SqsSink
from core.stack import EmbeddedStack
from loadtests.shared.sqs_consumer import stack_sqs_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from core.stack import StackAddresses
    from rtp_client.event import Event

_QUEUE = "rtp-alerts.fifo"
ID_TEMPLATE = "{% for one in alerts %}id={{ one.event.id }} detected={{ one.event.data.detected_at }}\n{% endfor %}"
"""What a message says, so that it can be told which alerts came."""


@dataclass(frozen=True)
class NotifyWorld:
    """Where things are."""

    addresses: StackAddresses
    folder: Path
    sink: SqsSink | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead `rtp` there."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RTP_", "AWS_"))}
        return inherited | {
            "RTP_REDIS_URL": self.addresses.redis_url,
            "RTP_SQS_ENDPOINT_URL": self.addresses.sqs_endpoint_url,
            "RTP_SQS_QUEUE": _QUEUE,
            "AWS_REGION": self.addresses.aws_region,
            "AWS_ACCESS_KEY_ID": self.addresses.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.addresses.aws_secret_access_key,
            "AWS_CONFIG_FILE": os.devnull,
        }

    def settings_file(self, notify: Sequence[Mapping[str, Any]], **run: Any) -> Path:
        """The default settings with these audiences, whose messages name their alerts."""
        document = yaml.safe_load(default_path().read_text(encoding="utf-8"))
        (self.folder / "ids.txt.j2").write_text(ID_TEMPLATE, encoding="utf-8")
        document["notify"] = [{"template": "ids.txt.j2", **audience} for audience in notify]
        document["run"] = {**document.get("run", {}), **run}
        path = self.folder / "rtp.yaml"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        return path

    def send(self, alerts: Sequence[Event]) -> None:
        """Put alerts into the queue, as `rtp run` does."""
        assert self.sink is not None
        outcome = self.sink.deliver(alerts)
        if outcome.undelivered:
            raise RuntimeError(f"the queue has not taken all: {outcome.cause}")


@contextmanager
def notify_world() -> Iterator[NotifyWorld]:
    """Start the servers, and make the queue."""
    with TemporaryDirectory(prefix="rtp-notify-") as name, EmbeddedStack(durable=False) as stack:
        addresses = stack.addresses
        os.environ |= {
            "AWS_ACCESS_KEY_ID": addresses.aws_access_key_id,
            "AWS_SECRET_ACCESS_KEY": addresses.aws_secret_access_key,
        }
        client = stack_sqs_client(addresses)
        client.create_queue(QueueName=_QUEUE, Attributes=_attributes(client))
        settings = SqsSettings(endpoint_url=addresses.sqs_endpoint_url, region=addresses.aws_region, queue=_QUEUE)
        sink = SqsSink(settings, queue_client(settings))
        sink.open()
        yield NotifyWorld(addresses, Path(name), sink)
        sink.close()


def _attributes(client: Any) -> dict[Any, str]:
    fifo = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
    dead = client.create_queue(QueueName=_QUEUE.replace(".fifo", "-dlq.fifo"), Attributes={"FifoQueue": "true"})
    found = client.get_queue_attributes(QueueUrl=dead["QueueUrl"], AttributeNames=["QueueArn"])["Attributes"]
    policy = {"deadLetterTargetArn": found["QueueArn"], "maxReceiveCount": 1000}  # each kill is a receive
    return {**fifo, "RedrivePolicy": json.dumps(policy)}
