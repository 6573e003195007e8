"""The OpenAPI and AsyncAPI documents hold together, and name what the protocol's own types have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from core.gateway.messages import Ping, Subscribe, Unsubscribe
from core.gateway.rest.asyncapi import asyncapi_document
from core.gateway.rest.message_types import FilterParts, PingMessage, SubscribeMessage, UnsubscribeMessage
from core.gateway.rest.openapi import openapi_document
from core.gateway.rest.operations import OPERATIONS
from rtp_client.event_filter import EventFilter

ASYNCAPI = asyncapi_document(version="1", host="rtp.example", is_secure=True, asks_for_token=True)
OPENAPI = openapi_document(OPERATIONS, version="1", asks_for_token=True)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for member in part:
            yield from references(member)


@pytest.mark.parametrize("document", [ASYNCAPI, OPENAPI], ids=["asyncapi", "openapi"])
def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in set(references(document)):
        found = document
        for name in reference.removeprefix("#/").split("/"):
            assert name in found, reference
            found = found[name]


@pytest.mark.parametrize(
    ("described", "understood"),
    [(SubscribeMessage, Subscribe), (UnsubscribeMessage, Unsubscribe), (PingMessage, Ping)],
)
def test_what_clients_may_send_has_the_members_that_are_understood(described: Any, understood: Any) -> None:
    assert set(described.__struct_fields__) == set(understood.__struct_fields__)
    assert described.__struct_config__.tag == understood.__struct_config__.tag


def test_the_parts_of_a_filter_are_those_that_there_are() -> None:
    assert set(FilterParts.__struct_fields__) == set(EventFilter.__dataclass_fields__)
