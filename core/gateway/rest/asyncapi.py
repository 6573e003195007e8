"""The AsyncAPI 3 document: both channels, with every message that goes over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from core.gateway.rest import parameters
from core.gateway.rest.message_types import FROM_CLIENT, TO_CLIENT
from rtp_client.event import schemas_of
from rtp_client.live.wanted import Slow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.gateway.rest.parameters import Parameter

# A stream that only goes one way has nobody to answer, and its subscription lasts as long as the connection.
_NEVER_SENT_AS_EVENTS = ("unsubscribed", "pong")
_SNAPSHOT = parameters.Parameter("snapshot", "Whether the values as they are come first.", {"type": "boolean"})
_RESUME = parameters.Parameter("resume", "A position, where `Last-Event-ID` cannot be set.")
_SLOW = parameters.Parameter("slow", "As in `subscribe`.", {"enum": list(get_args(Slow))})
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The static token, or a JWT."},
    "subprotocol": {
        "type": "httpApiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": "In a browser: `rtp.token.<token>` beside `rtp.v1`.",
    },
    "query": {"type": "httpApiKey", "in": "query", "name": "access_token", "description": "For an EventSource."},
}


def asyncapi_document(*, version: str, host: str, is_secure: bool, asks_for_token: bool) -> dict[str, Any]:
    """The whole of it; `host` is where clients reach the gateway."""
    sent, received = [_tag(one) for one in TO_CLIENT], [_tag(one) for one in FROM_CLIENT]
    as_events = [tag for tag in sent if tag not in _NEVER_SENT_AS_EVENTS]
    security = {"security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY]}
    secured = security if asks_for_token else {}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "rtp",
            "version": version,
            "description": "Significant changes in DeFi data, as they come. What needs no stream is in /openapi.json.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "socket": {"host": host, "protocol": "wss" if is_secure else "ws", **secured},
            "events": {"host": host, "protocol": "https" if is_secure else "http", **secured},
        },
        "channels": {
            "socket": {
                "address": "/v1/ws",
                "description": "A WebSocket with the subprotocol `rtp.v1`; each message is JSON, as text.",
                "servers": [{"$ref": "#/servers/socket"}],
                "messages": _references([*received, *sent]),
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            },
            "events": {
                "address": "/v1/sse",
                "description": "Server-Sent Events: `event` is the message's type, `data` the message, `id` its"
                " position where it has one. `Last-Event-ID` resumes.",
                "servers": [{"$ref": "#/servers/events"}],
                "messages": _references(as_events),
            },
        },
        "operations": {
            "follow": _operation("receive", "socket", received, "What a client may ask for"),
            "tell": _operation("send", "socket", sent, "What the gateway tells"),
            "tellEvents": {
                **_operation("send", "events", as_events, "The same, one subscription a connection"),
                "bindings": {"http": {"method": "GET", "query": _query(), "bindingVersion": "0.3.0"}},
            },
        },
        "components": {
            "messages": {_tag(one): _message(one) for one in (*FROM_CLIENT, *TO_CLIENT)},
            "schemas": schemas_of((*FROM_CLIENT, *TO_CLIENT), "#/components/schemas/{name}"),
            "securitySchemes": _SECURITY,
        },
    }


def _tag(message: Any) -> str:
    return str(message.__struct_config__.tag)


def _message(message: Any) -> dict[str, Any]:
    return {
        "name": _tag(message),
        "summary": message.__doc__,
        "payload": {"$ref": f"#/components/schemas/{message.__name__}"},
    }


def _references(tags: Iterable[str]) -> dict[str, Any]:
    return {tag: {"$ref": f"#/components/messages/{tag}"} for tag in tags}


def _operation(action: str, channel: str, tags: Iterable[str], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{tag}"} for tag in tags],
    }


def _query() -> dict[str, Any]:
    described = (*parameters.EVENTS, _SNAPSHOT, _RESUME, _SLOW)
    return {"type": "object", "properties": {one.name: _property(one) for one in described}}


def _property(parameter: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": parameter.schema} if parameter.is_many else dict(parameter.schema)
    return schema | {"description": parameter.description}
