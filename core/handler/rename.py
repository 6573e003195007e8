"""Entities that are called otherwise: what is remembered under the name of before becomes that of the name of now.

An item that keeps its key while the attribute changes that names its entity says so itself. Of an alias in the settings
nobody says when it began: it is at the first sight of the name of today. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from core.detection.gone import delete
from core.detection.renamed import renamed
from core.detection.testimony import Testimony
from core.handler.decision import Raised
from core.handler.memory import Memory
from core.settings.aliases import written_out
from rtp_client.aliases import former_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from core.detection.detector import Key
    from core.detection.state import EntityState
    from core.handler.change import Change
    from core.settings.rules import Rule
    from core.settings.watches import Watch


@dataclass(frozen=True)
class Former:
    """What is remembered under the name that an entity had until now."""

    key: Key
    memory: Memory

    def is_of(self, lane: str) -> bool:
        """Whether this item was called so last: another one may have taken the name before this one gave it up."""
        return [*self.memory.lanes][-1:] in ([], [lane])

    def left(self, lanes: Mapping[str, int]) -> Memory | None:
        """What remains: redeliveries of earlier records are recognised by it. None where nothing was remembered."""
        return Memory(self.memory.version + 1, lanes={**self.memory.lanes, **lanes}) if self.memory.version else None


def former_keys(watch: Watch, key: Key) -> list[Key]:
    """Other names under which the aliases say that the entity may be remembered."""
    chain, entity = key
    chains = (chain, *former_names(chain, written_out(watch.chain_aliases)))
    names = (entity, *former_names(entity, written_out(watch.aliases)))
    return [one for one in product(chains, names) if one != key]


def namesake_gone(state: EntityState, change: Change, rule: Rule) -> Raised:
    """The event of who had the name so far: its own item is gone."""
    report = delete(state, rule, Testimony(state.gone_at or change.sample.at), state.deletedby)
    return Raised(replace(change, event_id=f"{change.event_id}.gone", fields=None, row=None), report)


def called_otherwise(
    value: Decimal | None, former: Key, change: Change, testimony: Testimony, *, is_taken: bool = False
) -> Raised:
    """The event of a new name, which the change shows first."""
    report = renamed(value, former, testimony, is_taken=is_taken)
    return Raised(replace(change, event_id=f"{change.event_id}.renamed", fields=None), report)
