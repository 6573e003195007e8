"""The simulated market's names and starting values, from the `.csv` files beside this module.

Protocols, chains, tokens and links are real; values are round figures of the right size (early 2025), made up
for the demo.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING

from core.demo.change import ProtocolChange, TvlChange

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "simulated"


@dataclass(frozen=True, slots=True)
class Token:
    """One token, quoted on one or more chains.

    `step_percent` is the size of an ordinary step between two updates of one quote; a token that `follows`
    another (a wrapped or staked one) moves with it.
    """

    name: str
    chains: tuple[str, ...]
    price_usd: float
    step_percent: float
    stable: bool
    follows: str


def protocols() -> list[ProtocolChange]:
    """Every protocol's metadata."""
    return [
        ProtocolChange(
            protocol=row["protocol"],
            name=row["name"],
            source=SOURCE,
            category=row["category"],
            chain=row["chain"],
            url=row["url"],
            audits=int(row["audits"]),
            parent=row["parent"] or None,
        )
        for row in _rows("protocols.csv")
    ]


def tvls() -> list[TvlChange]:
    """Every protocol's TVL on each of its chains."""
    return [TvlChange(row["chain"], row["protocol"], Decimal(row["tvl_usd"]), SOURCE) for row in _rows("tvl.csv")]


def tokens() -> list[Token]:
    """Every token."""
    return [
        Token(
            name=row["token"],
            chains=tuple(row["chains"].split()),
            price_usd=float(row["price_usd"]),
            step_percent=float(row["step_percent"]),
            stable=row["kind"] == "stable",
            follows=row["follows"] or row["token"],
        )
        for row in _rows("tokens.csv")
    ]


def _rows(filename: str) -> Iterator[dict[str, str]]:
    text = files("core.demo").joinpath(filename).read_text(encoding="utf-8")
    return csv.DictReader(text.splitlines())
