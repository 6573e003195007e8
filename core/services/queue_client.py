"""The client that alerts are sent with: rtp's own way of sending a batch where that can be, boto3's for all else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from core.services.direct_client import DirectClient
from core.services.sqs_client import aws_session, certificates, shorter, sqs_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import ClientMeta
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import GetQueueUrlResultTypeDef, SendMessageBatchResultTypeDef

    from core.settings.models import SqsSettings


class QueueClient(Protocol):
    """What sending alerts takes of boto3's client. Both methods raise what boto3's raise. For threads."""

    @property
    def meta(self) -> ClientMeta: ...

    @property
    def get_queue_url(self) -> Callable[..., GetQueueUrlResultTypeDef]: ...

    @property
    def send_message_batch(self) -> Callable[..., SendMessageBatchResultTypeDef]: ...

    def close(self) -> None:
        """Close connections. The client can be used again and makes new ones then."""


def queue_client(settings: SqsSettings, *, wait_seconds: float | None = None) -> QueueClient:
    """As `sqs_client`, with batches sent directly where no proxy is in between."""
    client = sqs_client(settings, wait_seconds=wait_seconds)
    return direct_client(client, settings, wait_seconds=wait_seconds) or client


def direct_client(
    client: SQSClient, settings: SqsSettings, *, wait_seconds: float | None = None
) -> DirectClient | None:
    """One that asks directly what boto3's would; None where a proxy is in between."""
    address = client.meta.endpoint_url
    if urlsplit(address).scheme in get_environ_proxies(address):
        return None
    seconds = shorter(settings, wait_seconds)
    return DirectClient(
        client, wait_seconds=seconds, find_credentials=aws_session().get_credentials, trusted=certificates()
    )
