"""The messages of the live channels, from the gateway's AsyncAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.gateway.outlet import CloseCode
from core.gateway.rest.asyncapi import asyncapi_document
from documents.described import described
from documents.schemas import members, named_in, sections, type_of
from documents.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def messages_page() -> str:
    """The page."""
    document = asyncapi_document(version="", host="", is_secure=True, asks_for_token=True)
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    channels, operations = document["channels"], document["operations"]
    told = [schemas[_schema_of(one)] for one in messages.values()]
    parts = [
        "# WebSocket and Server-Sent Events: every message",
        "Written from the AsyncAPI document that `rtp serve` has at `/asyncapi.json`. [Live](live.md) says how they"
        " belong together.",
        *(f"`{channel['address']}`: {channel['description']}" for channel in channels.values()),
        "## What a client sends",
        *_messages(operations["follow"], messages, schemas),
        "## What the server sends",
        *_messages(operations["tell"], messages, schemas),
        "## Parameters of /v1/sse",
        "The subscription is in the address; its messages are those above, but for the answers to what only a WebSocket"
        " can ask.",
        table(("parameter", "is", ""), _parameters(operations["tellEvents"])),
        "## Close codes of a WebSocket",
        table(("code", "why"), [(str(CloseCode[name].value), why) for name, why in described(CloseCode)]),
        "## What is in them",
        *sections(named_in(told, schemas), schemas),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _messages(
    operation: dict[str, Any], messages: Mapping[str, Any], schemas: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    for reference in operation["messages"]:
        tag = reference["$ref"].rpartition("/")[2]
        schema = schemas[_schema_of(messages[tag])]
        yield f"### {tag}"
        yield schema["description"]
        yield members(schema)


def _schema_of(message: Mapping[str, Any]) -> str:
    return str(message["payload"]["$ref"].rpartition("/")[2])


def _parameters(operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, schema in operation["bindings"]["http"]["query"]["properties"].items():
        yield f"`{name}`", type_of(schema), schema.get("description", "")
