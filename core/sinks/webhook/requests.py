"""Events as HTTP requests: CloudEvents' HTTP binding 1.0, signed as Standard Webhooks says.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import json, to_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rtp_client.event import Event

BATCH_BYTES = 1_000_000
_STRUCTURED = "application/cloudevents+json; charset=utf-8"
_BATCHED = "application/cloudevents-batch+json; charset=utf-8"
# In binary mode: what a header's value may hold as it is.
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


@dataclass(frozen=True)
class Request:
    """The body, the headers that go with it, and its id, the same however often it is sent."""

    id: str
    body: bytes
    headers: Mapping[str, str]


def structured(events: Sequence[Event]) -> Request:
    """One event, whole in the body."""
    (event,) = events
    return Request(event.id, event.json_bytes, {"Content-Type": _STRUCTURED, **_trace(event)})


def binary(events: Sequence[Event]) -> Request:
    """One event: its data in the body, its attributes in headers."""
    (event,) = events
    attributes = to_builtins(event)
    del attributes["data"], attributes["datacontenttype"]
    headers = {f"ce-{name}": quote(value, safe=_PLAIN) for name, value in attributes.items()}
    body = json.encode(event.data)
    return Request(event.id, body, {"Content-Type": event.datacontenttype, **headers, **_trace(event)})


def batched(events: Sequence[Event]) -> Request:
    """Several events in the body, in order."""
    batch_id = hashlib.sha256("\n".join(event.id for event in events).encode()).hexdigest()[:32]
    body = b"[" + b",".join(event.json_bytes for event in events) + b"]"
    return Request(f"batch-{batch_id}", body, {"Content-Type": _BATCHED})


MODES: Mapping[str, Callable[[Sequence[Event]], Request]] = {
    "structured": structured,
    "binary": binary,
    "batched": batched,
}


def signature(request: Request, timestamp: int, secrets: Sequence[str]) -> dict[str, str]:
    """The headers by which a receiver knows that the request is rtp's, and when it was sent; none without a secret."""
    headers = {"webhook-id": request.id, "webhook-timestamp": str(timestamp)}
    signed = f"{request.id}.{timestamp}.".encode() + request.body
    signatures = [b64encode(hmac.digest(_key(secret), signed, "sha256")).decode() for secret in secrets]
    return headers | ({"webhook-signature": " ".join(f"v1,{one}" for one in signatures)} if signatures else {})


def size_in_batch(event: Event) -> int:
    """What an event adds to a batch's body, with the comma or bracket before it."""
    return len(event.json_bytes) + 1


def _key(secret: str) -> bytes:
    return b64decode(secret.removeprefix("whsec_"))


def _trace(event: Event) -> dict[str, str]:
    """The trace context once more as headers: where receivers' OpenTelemetry looks for it."""
    if event.traceparent is None:
        return {}
    return {"traceparent": event.traceparent} | ({"tracestate": event.tracestate} if event.tracestate else {})
