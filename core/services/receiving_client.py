"""The client that alerts are received with: awscrt's way where that can be, boto3's else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from core.services.queue_client import crt_client
from core.services.sqs_client import sqs_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.client import ClientMeta
    from mypy_boto3_sqs.type_defs import GetQueueUrlResultTypeDef, ReceiveMessageResultTypeDef

    from core.services.crt_client import CrtClient
    from core.settings.models import SqsSettings


class ReceivingClient(Protocol):
    """What receiving takes of boto3's client. The methods raise what boto3's raise. For threads."""

    @property
    def meta(self) -> ClientMeta: ...

    @property
    def get_queue_url(self) -> Callable[..., GetQueueUrlResultTypeDef]: ...

    @property
    def receive_message(self) -> Callable[..., ReceiveMessageResultTypeDef]: ...

    @property
    def delete_message_batch(self) -> Callable[..., object]: ...

    @property
    def change_message_visibility_batch(self) -> Callable[..., object]: ...


class CrtReceiver:
    """Receives by awscrt."""

    def __init__(self, client: CrtClient) -> None:
        self.meta = client.meta
        self.get_queue_url = client.get_queue_url
        self._client = client

    def receive_message(self, **request: Any) -> ReceiveMessageResultTypeDef:
        """As boto3's."""
        answer: ReceiveMessageResultTypeDef = self._client.call("ReceiveMessage", request)
        return answer

    def delete_message_batch(self, **request: Any) -> object:
        """As boto3's."""
        return self._client.call("DeleteMessageBatch", request)

    def change_message_visibility_batch(self, **request: Any) -> object:
        """As boto3's."""
        return self._client.call("ChangeMessageVisibilityBatch", request)


def receiving_client(settings: SqsSettings) -> ReceivingClient:
    """By awscrt where that is installed, at a quarter of boto3's CPU."""
    client = sqs_client(settings)
    found = crt_client(client, settings)
    return client if found is None else CrtReceiver(found)
