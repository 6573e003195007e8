"""Which tokens of a table of prices should stay at one dollar: by their names and their prices."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

from core.discovery.numbers import number
from core.discovery.words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.discovery.picture import FoundTable

_STABLE = re.compile(
    r"(?!.*(?:btc|eth))[a-z]*usd[a-z0-9]{0,2}|s?dai|xdai|frax|gho|mim|dola|fei|bold|usual|busd|ust", re.IGNORECASE
)
_NEAR = Decimal("0.03")
_MOST = 50
_SCALES = tuple(Decimal(10) ** digits for digits in (0, 6, 8, 18))
RULE = {"deviation_bps": 50, "recover_bps": 20, "for": "1m", "recover_for": "30m"}


def stable_entities(table: FoundTable, entity: str, value: str) -> tuple[list[tuple[str, str]], Decimal]:
    """The entities that are named like a stablecoin and cost about a dollar, each with that name; and what a dollar is.

    A dollar may be 100000000, where prices are whole numbers with eight decimals.
    """
    prices: dict[str, list[Decimal]] = defaultdict(list)
    names: dict[str, str] = {}
    symbols = [
        column.name
        for column in table.columns
        if set(words_of(column.name)) & {"symbol", "ticker", "token", "name", "feed", "pair"}
    ]
    for row in table.sample:
        key, price = row.get(entity), number(row.get(value))
        if not key or price is None:
            continue
        prices[key].append(price)
        for column in (entity, *symbols):
            if key not in names and (name := _stablecoin(row.get(column) or "")):
                names[key] = name
    scale = _scale([price for found in prices.values() for price in found])
    near = [key for key in names if abs(median(prices[key]) / scale - 1) <= _NEAR]
    return [(key, names[key]) for key in near[:_MOST]], scale


def pegged(stable: Sequence[tuple[str, str]], word: str, dollar: Decimal) -> list[dict[str, Any]]:
    """Overrides that hold these to a dollar."""
    value = int(dollar) if dollar != 1 else 1.0
    return [{word: key, "peg": {"value": value, **RULE}} for key, _ in stable]


def _stablecoin(text: str) -> str:
    """The stablecoin that a name begins with: `USDC / USD` is one, `ETH / USD` none."""
    first = re.split(r"[\s/:_-]+", text.strip(), maxsplit=1)[0] if text else ""
    return first if first.lower() != "usd" and _STABLE.fullmatch(first) else ""


def _scale(prices: Sequence[Decimal]) -> Decimal:
    """What one dollar is, where prices are whole numbers: with 6, 8 or 18 decimals, by their middle."""
    if not prices or any(price != price.to_integral_value() for price in prices):
        return Decimal(1)
    middle = median(prices)
    # A token between a tenth of a cent and a million dollars.
    fitting = [scale for scale in _SCALES[1:] if Decimal("0.5") <= middle / scale <= 1_000_000]
    return next((scale for scale in (Decimal(10) ** 8, *fitting) if scale in fitting), Decimal(1))
