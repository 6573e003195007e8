"""Routes, webhooks and overrides that fit no entity seen so far. Only the rows show that a name is misspelt."""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from core.routes.checking import contradictions, where_is
from core.routes.matching import name_mismatch
from core.settings.rules import is_glob, matches_glob
from core.sinks.registry import destinations

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from core.settings.models import Settings
    from core.settings.routes import RouteMatch
    from core.settings.watches import Override

_ON, _CALLED = "is on chain", "is called"


class Entity(NamedTuple):
    """A protocol, token or other entity that a watch has seen."""

    watch: str
    kind: str
    chain: str
    name: str


def find_unseen(settings: Settings, seen: Collection[Entity]) -> Iterator[str]:
    """A line for each route, webhook and override whose chains and names fit nothing that was seen.

    One is skipped while no entity of its kind or watch was seen. Where only some of its names fit nothing, those are
    told that would in other letter case.
    """
    yield from _unseen_by_matches(settings, seen)
    yield from _unseen_by_overrides(settings, seen)


def names_entities(settings: Settings) -> bool:
    """Whether the settings name any entity or chain that the rows could be asked for."""
    has_overrides = any(watch.has_value and watch.overrides for watch in settings.watches.values())
    return has_overrides or any(match.chain or match.words for _, match in _matches(settings))


def _matches(settings: Settings) -> Iterator[tuple[str, RouteMatch]]:
    """Where there is a match, and what it is."""
    for place, route in enumerate(settings.routes):
        yield where_is(route, place), route.match
    for one in destinations(settings):
        if one.match is not None:
            yield one.sink.replace(":", " "), one.match


def _unseen_by_matches(settings: Settings, seen: Iterable[Entity]) -> Iterator[str]:
    by_kind: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for entity in seen:
        by_kind[entity.kind].add((entity.chain, entity.name))
    for where, match in _matches(settings):
        entities = [(kind, *entity) for kind in match.kinds for entity in by_kind[kind]]
        if not entities or contradictions(match, settings):  # there is a line about those already
            continue
        chains, known_chains = match.chain or (), {chain for _, chain, _ in entities}
        names = list(dict.fromkeys(name for kind in match.kinds for name in match.names_of(kind) or ()))
        known_names = {name for _, _, name in entities}
        if not any(name_mismatch(match, *entity) is None for entity in entities):
            why = _reason(chains, known_chains, names, known_names)
            yield f"{where} fits nothing that is there so far: {why}"
            continue
        for what, wanted, known in ((_ON, chains, known_chains), (_CALLED, names, known_names)):
            spelled = _folded(known)
            for name in wanted:
                if not _fitting(name, known) and _respelt([name], spelled):
                    yield f"{where}: {_unknown(what, [name], known)}"


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
        _unknown(_ON, chains, known)
        or _unknown(_CALLED, names, known_names)
        or "no row has such a name on such a chain"
    )


def _unknown(what: str, wanted: Collection[str], known: Collection[str]) -> str | None:
    if not wanted or any(_fitting(glob, known) for glob in wanted):
        return None
    text, spelled = f"no row {what} {' or '.join(wanted)}", _folded(known)
    if respelt := _respelt(wanted, spelled):
        return f"{text}. Upper and lower case count: there is {respelt}"
    near = [spelled[close] for name in wanted for close in get_close_matches(name.casefold(), spelled, n=1)]
    return f"{text}. Did you mean {near[0]}?" if near else text


def _folded(known: Iterable[str]) -> dict[str, str]:
    """Names by what they are without their letter case."""
    return {name.casefold(): name for name in known}


def _respelt(wanted: Iterable[str], spelled: Mapping[str, str]) -> str | None:
    """A known name that would fit one of those wanted in other letter case."""
    fitting = (name for glob in wanted for name in _fitting(glob.casefold(), spelled))
    return next((spelled[name] for name in fitting), None)
