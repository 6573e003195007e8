"""Routes that fit nothing that is there so far: a misspelt chain can be seen only beside the rows."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from core.routes.checking import contradictions, where_is
from core.routes.matching import name_mismatch
from core.settings.rules import matches_glob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from core.settings.models import Settings
    from core.settings.routes import RouteMatch


class Entity(NamedTuple):
    """A protocol or token that a watch has seen."""

    kind: str
    chain: str
    name: str


def find_unseen(settings: Settings, seen: Iterable[Entity]) -> Iterator[str]:
    """A line for each route whose chains and names fit nothing that was seen, though its kinds have been."""
    by_kind: dict[str, set[Entity]] = {kind: set() for kind in settings.all_kinds}
    for entity in seen:
        by_kind[entity.kind].add(entity)
    for place, route in enumerate(settings.routes):
        entities = [entity for kind in route.match.kinds for entity in by_kind[kind]]
        if not entities or any(name_mismatch(route.match, *entity) is None for entity in entities):
            continue
        if not contradictions(route.match, settings):  # else there is a line about it already
            yield f"{where_is(route, place)} fits nothing that is there so far: {_why(route.match, entities)}"


def _why(match: RouteMatch, entities: Collection[Entity]) -> str:
    if problem := _unknown("is on chain", match.chain, {entity.chain for entity in entities}):
        return problem
    wanted = [name for kind in match.kinds for name in match.names_of(kind) or ()]
    known = {entity.name for entity in entities}
    return _unknown("is called", list(dict.fromkeys(wanted)), known) or "no row has such a name on such a chain"


def _unknown(what: str, wanted: Collection[str] | None, known: Collection[str]) -> str | None:
    if not wanted or any(matches_glob(glob, name) for glob in wanted for name in known):
        return None
    close = [found for name in wanted for found in get_close_matches(name, known, n=1)]
    return f"no row {what} {' or '.join(wanted)}" + (f". Did you mean {close[0]}?" if close else "")
