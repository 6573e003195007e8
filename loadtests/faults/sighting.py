"""How the fault suite knows an event: whose it is, which of that entity's events, and its place in the log.

An entity's value is 1 before anything happens, and its events carry 2, 3, 4 ...: the first event is number 1.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

SEEDED_VALUE = 1


class Sighting(NamedTuple):
    """An event as the checker sees it."""

    entity: str
    number: int
    sequence: int


def sighting(document: str | bytes) -> Sighting:
    """Read an event's document."""
    event: Any = json.loads(document)
    data = event["data"]
    name = f"{data['kind']}:{data['chain']}:{data['entity']}"
    value = data["fields"]["name"]["current"][1:] if data["kind"] == "protocol" else data["current"]
    return Sighting(name, int(value) - SEEDED_VALUE, int(event["sequence"]))
