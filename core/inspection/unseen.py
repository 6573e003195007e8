"""Routes and overrides that fit no entity seen so far. Only the rows show that a name is misspelt."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from core.routes.checking import contradictions, where_is
from core.routes.matching import name_mismatch
from core.settings.rules import is_glob, matches_glob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from core.settings.models import Settings
    from core.settings.routes import RouteMatch
    from core.settings.watches import Override


class Entity(NamedTuple):
    """A protocol, token or other entity that a watch has seen."""

    watch: str
    kind: str
    chain: str
    name: str


def find_unseen(settings: Settings, seen: Collection[Entity]) -> Iterator[str]:
    """A line for each route and override whose chains and names fit nothing that was seen.

    A route or override is skipped while no entity of its kind or watch was seen.
    """
    yield from _unseen_by_routes(settings, seen)
    yield from _unseen_by_overrides(settings, seen)


def _unseen_by_routes(settings: Settings, seen: Iterable[Entity]) -> Iterator[str]:
    by_kind: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entity in seen:
        by_kind[entity.kind].add((entity.chain, entity.name))
    for place, route in enumerate(settings.routes):
        entities = [(kind, *entity) for kind in route.match.kinds for entity in by_kind[kind]]
        if not entities or any(name_mismatch(route.match, *entity) is None for entity in entities):
            continue
        if not contradictions(route.match, settings):  # else there is a line about it already
            yield f"{where_is(route, place)} fits nothing that is there so far: {_why_not(route.match, entities)}"


def _why_not(match: RouteMatch, entities: Collection[tuple[str, str, str]]) -> str:
    wanted = [name for kind in match.kinds for name in match.names_of(kind) or ()]
    chains, names = ({entity[part] for entity in entities} for part in (1, 2))
    return _reason(match.chain or (), chains, list(dict.fromkeys(wanted)), names)


def _unseen_by_overrides(settings: Settings, seen: Iterable[Entity]) -> Iterator[str]:
    by_watch: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for entity in seen:
        by_watch[entity.watch][entity.name].add(entity.chain)
    for name, watch in settings.watches.items():
        chains_of = by_watch[name]
        if not watch.has_value or not chains_of:
            continue
        for place, override in enumerate(watch.overrides):
            if not _fits(override, chains_of):
                chains, wanted = ([one] if one else [] for one in (override.chain, override.entity))
                why = _reason(chains, set().union(*chains_of.values()), wanted, chains_of)
                yield f"watches.{name}.overrides[{place}] fits nothing that is there so far: {why}"


def _fits(override: Override, chains_of: Mapping[str, Collection[str]]) -> bool:
    return any(_fitting(override.chain, chains_of[name]) for name in _fitting(override.entity, chains_of))


def _fitting(glob: str | None, known: Collection[str]) -> Collection[str]:
    if glob is None:
        return known
    if not is_glob(glob):
        return [glob] if glob in known else []
    return [name for name in known if matches_glob(glob, name)]


def _reason(
    chains: Collection[str], known: Collection[str], names: Collection[str], known_names: Collection[str]
) -> str:
    return (
        _unknown("is on chain", chains, known)
        or _unknown("is called", names, known_names)
        or "no row has such a name on such a chain"
    )


def _unknown(what: str, wanted: Collection[str], known: Collection[str]) -> str | None:
    if not wanted or any(_fitting(glob, known) for glob in wanted):
        return None
    # Compared without case, so that `usdc` is told of the rows' `USDC`.
    spelled = {name.casefold(): name for name in known}
    near = [spelled[close] for name in wanted for close in get_close_matches(name.casefold(), spelled, n=1)]
    return f"no row {what} {' or '.join(wanted)}" + (f". Did you mean {near[0]}?" if near else "")
