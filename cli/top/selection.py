"""What of the market a board shows: a filter and words to search for, written in one line; and in which order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rtp_client import EventFilter, SettingsError
from rtp_client.event_filter import named

if TYPE_CHECKING:
    from cli.top.market import EntityKey, Mover
    from rtp_client import Event

_PARTS = {
    "kind": "kind",
    "chain": "chain",
    "entity": "entity",
    "protocol": "entity",
    "token": "entity",
    "min": "min_pct",
    "min_pct": "min_pct",
    "severity": "severity",
    "reason": "reason",
    "market": "market",
}
_SEVERAL = frozenset({"kind", "chain", "entity", "reason"})


@dataclass(frozen=True)
class BoardSelection:
    """What is shown: what passes the filter, and has each word in its kind, chain or entity."""

    wanted: EventFilter = field(default_factory=EventFilter)
    words: tuple[str, ...] = ()

    def has_event(self, event: Event) -> bool:
        """Whether the event is shown."""
        return self.wanted.matches(event) and self._has_words(event.data.kind, event.data.chain, event.data.entity)

    def has_mover(self, mover: Mover) -> bool:
        """Whether the entity is shown: its last event is one that is wanted. Without one, only what is searched for."""
        if mover.event is not None:
            return self.has_event(mover.event)
        return bool(self.words) and self._asks_for_no_event and self.has_name(mover.key)

    def has_name(self, key: EntityKey) -> bool:
        """Whether the entity is one of those that are asked for, whatever has become of it."""
        wanted = self.wanted
        names = ((key.kind, wanted.kind), (key.chain, wanted.chain), (key.entity, wanted.entity))
        return all(named(name, globs) for name, globs in names) and self._has_words(*key)

    def __str__(self) -> str:
        """As it is written; `parse_selection` reads it."""
        parts = [
            f"{'min' if part == 'min_pct' else part}:{value if isinstance(value, str) else ','.join(value)}"
            for part, value in self.wanted.as_json().items()
        ]
        return " ".join([*parts, *self.words])

    @property
    def _asks_for_no_event(self) -> bool:
        wanted = self.wanted
        return all(part is None for part in (wanted.min_pct, wanted.severity, wanted.reason, wanted.market))

    def _has_words(self, *names: str) -> bool:
        text = " ".join(names).casefold()
        return all(word.casefold() in text for word in self.words)


def parse_selection(line: str) -> BoardSelection:
    """`kind:price chain:eth* min:2 severity:warning reason:depeg,repeg usd`; raises SettingsError for what is none."""
    parts: dict[str, list[str]] = {}
    words = []
    for word in line.split():
        name, colon, value = word.partition(":")
        if not colon:
            words.append(word)
        elif name.lower() not in _PARTS:
            raise SettingsError(f"{name}: is no part of a filter", f"There are {', '.join(p for p in _PARTS)}")
        elif value:
            parts.setdefault(_PARTS[name.lower()], []).extend(value.split(",") if name in _SEVERAL else [value])
    given = {part: values if part in _SEVERAL else values[-1] for part, values in parts.items()}
    return BoardSelection(EventFilter.from_json(given), tuple(words))
