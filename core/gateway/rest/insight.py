"""What the source's own database tells of rtp, beyond what Redis does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from core.inspection.explanation import Explanation, Source
    from core.inspection.pegs import Pegged
    from core.inspection.samples import Samples


class Insight(Protocol):
    """Its methods wait for servers: a few threads call them. All raise RtpError where they find nothing out."""

    @property
    def source(self) -> Source:
        """Where changes come from."""

    def explain(self, kind: str, chain: str, entity: str) -> Sequence[Explanation]:
        """As `rtp explain`. Raises UnknownEntity."""

    def samples(self, watch: str, chain: str, entity: str, limit: int) -> Samples:
        """The last samples of a history; empty where the watch is none, or its table cannot be read in time."""

    def off_peg_since(self, pegged: Sequence[Pegged]) -> Mapping[Pegged, datetime]:
        """Those of them that are off their peg."""

    def status(self) -> dict[str, Any]:
        """The document of `rtp status --json`."""

    def close(self) -> None:
        """Give the connections back."""
