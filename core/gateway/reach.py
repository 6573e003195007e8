"""What a client may see: its token's claims."""

from __future__ import annotations

from dataclasses import dataclass

from rtp_client.event_filter import named

Owner = tuple[str, str, str]
"""Whose an event or a value is: kind, chain and entity."""


@dataclass(frozen=True)
class Reach:
    """Names and globs as in a filter, one of which must fit; None is any."""

    kinds: tuple[str, ...] | None = None
    chains: tuple[str, ...] | None = None
    entities: tuple[str, ...] | None = None

    def covers(self, kind: str, chain: str, entity: str) -> bool:
        """Whether an entity may be seen."""
        return named(kind, self.kinds) and named(chain, self.chains) and named(entity, self.entities)


EVERYTHING = Reach()
