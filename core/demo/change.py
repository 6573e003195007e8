"""A change to one row of the demo's tables, and the step: the changes that are written together.

Field names are the tables' column names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


@dataclass(frozen=True, slots=True)
class TvlChange:
    """The new TVL of a protocol on a chain."""

    chain: str
    protocol: str
    tvl_usd: Decimal
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """The row's key, unique among all tables' rows."""
        return ("tvl", self.chain, self.protocol)


@dataclass(frozen=True, slots=True)
class PriceChange:
    """The new price of a token on a chain; `confidence` is from 0 to 1, or None where it is not known."""

    chain: str
    token: str
    price_usd: Decimal
    confidence: float | None
    source: str

    @property
    def key(self) -> tuple[str, ...]:
        """The row's key, unique among all tables' rows."""
        return ("prices", self.chain, self.token)


@dataclass(frozen=True, slots=True)
class ProtocolChange:
    """A protocol's new metadata; a field that is None leaves the table's value."""

    protocol: str
    name: str
    source: str
    category: str | None = None
    chain: str | None = None
    url: str | None = None
    audits: int | None = None
    parent: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The row's key, unique among all tables' rows."""
        return ("protocols", self.protocol)


Change = TvlChange | PriceChange | ProtocolChange


@dataclass(frozen=True, slots=True)
class FeedStep:
    """Changes of one moment, written in one transaction. No two of them are for the same row.

    `at` is the history's own time; None means now, by the database's clock.
    """

    changes: tuple[Change, ...]
    at: datetime | None = None
