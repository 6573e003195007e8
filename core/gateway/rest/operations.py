"""What can be asked for over plain HTTP: the paths, their parameters, and the types of their answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.gateway.rest import parameters
from core.gateway.rest.documents import EntityDocument, EntityList, EventPage, PegList, StatusDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.gateway.rest.parameters import Parameter


@dataclass(frozen=True)
class Operation:
    """One path. `failures` are the statuses, besides those of every path, that an answer may have."""

    name: str
    path: str
    summary: str
    answer: Any
    query: Sequence[Parameter] = ()
    in_path: Sequence[Parameter] = ()
    failures: Sequence[int] = ()


_OWNER = (
    parameters.Parameter("kind", "What it is a kind of: tvl, price, protocol, or a kind of the settings' own."),
    parameters.Parameter("chain", "The chain as the row names it, percent-encoded; `all` where the watch maps none."),
    parameters.Parameter("entity", "The protocol, token or other entity as the row names it, percent-encoded."),
)
OPERATIONS = (
    Operation(
        "entities",
        "/v1/entities",
        "The newest values, from the cache, else from the tables",
        EntityList,
        query=(*parameters.ENTITIES, parameters.AFTER, parameters.LIMIT),
    ),
    Operation(
        "entity",
        "/v1/entities/{kind}/{chain}/{entity}",
        "One entity: its value, baseline, levels, rule and conclusion, its last events and values",
        EntityDocument,
        query=(parameters.WATCH,),
        in_path=_OWNER,
        failures=(403, 404),
    ),
    Operation("pegs", "/v1/pegs", "How far each pegged entity is off its peg, and since when it is off", PegList),
    Operation(
        "events",
        "/v1/events",
        "The events since a position, in the order of delivery",
        EventPage,
        query=(*parameters.EVENTS, parameters.SINCE, parameters.LIMIT),
    ),
    Operation("status", "/v1/status", "The state of rtp: what `rtp status --json` tells", StatusDocument),
)
