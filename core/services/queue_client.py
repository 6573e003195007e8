"""The client that alerts are sent with: awscrt's way of sending a batch where that can be, boto3's for all else."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from botocore.utils import get_environ_proxies

from core.services.sqs_client import aws_session, certificates, shorter, sqs_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import ClientMeta
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import GetQueueUrlResultTypeDef, SendMessageBatchResultTypeDef

    from core.services.crt_client import CrtClient
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
    """As `sqs_client`, with batches sent by awscrt where it is installed and no proxy is in between."""
    client = sqs_client(settings, wait_seconds=wait_seconds)
    return crt_client(client, settings, wait_seconds=wait_seconds) or client


def crt_client(client: SQSClient, settings: SqsSettings, *, wait_seconds: float | None = None) -> CrtClient | None:
    """One that asks by awscrt what boto3's would; None where awscrt is not installed or a proxy is in between."""
    address = client.meta.endpoint_url
    if find_spec("awscrt") is None or urlsplit(address).scheme in get_environ_proxies(address):
        return None
    from core.services.crt_client import CrtClient  # noqa: PLC0415 - only where it is installed

    seconds = shorter(settings, wait_seconds)
    return CrtClient(
        client, wait_seconds=seconds, find_credentials=aws_session().get_credentials, trusted=certificates()
    )
