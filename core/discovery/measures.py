"""What can be measured of a protocol, a token, a pool: how its columns are called, and how rtp watches it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.discovery.words import vocabulary, words_of

Words = frozenset[str]

# A number made from others, or one that bounds or numbers something.
_DERIVED = frozenset(
    vocabulary(
        "change changed delta diff difference prev previous ago yesterday pct percent percentage bps avg average mean"
        " median min max high low open std stdev sigma rank ranking count num number target limit threshold decimals"
        " precision weight score id block hash version tier growth ratio predicted prediction tx txs transactions"
        " 1d 7d 30d"
    )
)


def _ways(*ways: str) -> tuple[Words, ...]:
    return tuple(frozenset(vocabulary(way)) for way in ways)


@dataclass(frozen=True)
class Measure:
    """One thing that is measured.

    A column may be it where one of its `ways` to be called is all in the name. `generic` ways count only where the
    table's name has one of `tables`. `allowed` are words that would make another measure's number a derived one.
    `entities` are words for what it is measured of, the likeliest first. A kind that rtp ships has no `percent` here.
    """

    kind: str
    title: str
    ways: tuple[Words, ...]
    entities: tuple[str, ...]
    generic: tuple[Words, ...] = ()
    tables: Words = frozenset()
    allowed: Words = frozenset()
    may_be_negative: bool = False
    percent: int | None = None
    prefix: str = ""
    is_rate: bool = False

    def is_named(self, column: str) -> bool:
        """Whether a column's own name says that it is this measure, whatever its table is called."""
        return any(way <= set(words_of(column)) for way in self.ways)

    def fits(self, column: str, table: str) -> int:
        """How well a column's name fits: 0 not at all; the more of its words say so, the better."""
        words = words_of(column)
        if set(words) & (_DERIVED - self.allowed):
            return 0
        best = max((len(way) for way in self.ways if way <= set(words)), default=0)
        if not best and self.tables & set(words_of(table)):
            best = max((len(way) for way in self.generic if way <= set(words)), default=0)
        return max(1, 20 + 10 * best - 3 * len(words) + (4 if "usd" in words else 0)) if best else 0


_PERCENTAGES = frozenset({"pct", "percent", "percentage", "ratio"})
_GENERIC = _ways("value", "amount")

MEASURES = (
    Measure(
        "funding_rate",
        "a funding rate",
        _ways("funding rate", "funding"),
        ("instrument", "market", "pair", "symbol", "perp"),
        generic=_ways("rate", "value"),
        tables=frozenset({"funding"}),
        allowed=_PERCENTAGES,
        may_be_negative=True,
        percent=50,
        is_rate=True,
    ),
    Measure(
        "utilisation",
        "a utilisation",
        _ways("utilisation", "utilization", "utilisation rate", "utilization rate"),
        ("pool", "market", "reserve", "vault"),
        generic=_GENERIC,
        tables=frozenset({"utilisation", "utilization"}),
        allowed=_PERCENTAGES,
        percent=10,
        is_rate=True,
    ),
    Measure(
        "apy",
        "an APY",
        _ways("apy", "apr", "yield", "supply rate", "borrow rate", "interest rate", "lending rate"),
        ("pool", "market", "vault", "reserve"),
        generic=_ways("rate", "value"),
        tables=frozenset({"apy", "apr", "yield", "yields"}),
        allowed=_PERCENTAGES,
        may_be_negative=True,
        percent=5,
        is_rate=True,
    ),
    Measure(
        "tvl",
        "TVL",
        _ways(
            "tvl", "total value locked", "value locked", "total liquidity", "liquidity usd", "reserve usd", "liquidity"
        ),
        ("protocol", "project", "dapp", "pool"),
        generic=_ways("value", "amount", "total"),
        tables=frozenset({"tvl", "tvls", "liquidity"}),
    ),
    Measure(
        "volume",
        "a volume",
        _ways("volume", "total 24h", "turnover"),
        ("pool", "market", "pair", "protocol", "exchange", "dex"),
        generic=_GENERIC,
        tables=frozenset({"volume", "volumes"}),
        percent=50,
        prefix="$",
    ),
    Measure(
        "fees",
        "fees",
        _ways("fees", "revenue", "fee usd", "fees usd", "fee revenue"),
        ("protocol", "pool", "project", "dapp"),
        generic=_GENERIC,
        tables=frozenset({"fees", "revenue"}),
        percent=50,
        prefix="$",
    ),
    Measure(
        "supply",
        "a supply",
        _ways("supply", "total supply", "circulating supply", "circulating"),
        ("token", "coin", "asset", "stablecoin"),
        generic=_GENERIC,
        tables=frozenset({"supply", "supplies"}),
        percent=1,
    ),
    Measure(
        "deposits",
        "deposits",
        _ways("deposits", "deposited", "supplied", "total deposit"),
        ("pool", "market", "reserve", "vault", "protocol"),
        percent=5,
    ),
    Measure(
        "borrows",
        "borrows",
        _ways("borrows", "borrowed", "total borrow", "total debt"),
        ("pool", "market", "reserve", "vault", "protocol"),
        percent=5,
    ),
    Measure(
        "price",
        "a price",
        _ways("price", "close", "answer", "quote"),
        ("token", "coin", "asset", "symbol", "ticker", "pair", "feed"),
        generic=_ways("value", "rate", "usd"),
        tables=frozenset({"price", "prices", "oracle", "oracles", "feed", "feeds", "ticker", "tickers", "quotes"}),
    ),
)

_DESCRIBED = frozenset({"protocol", "protocols", "project", "projects", "dapp", "dapps"})
TELLING = frozenset({"metric", "measure", "indicator"})
"""Columns that say what another one measures."""


def may_tell(table: str, columns: Iterable[str]) -> bool:
    """Whether anything in a table is called such that its rows are worth a look."""
    names = [table, *columns]
    if any(set(words_of(name)) & (TELLING | _DESCRIBED) for name in names):
        return True
    return any(one.fits(name, table) for name in names[1:] for one in MEASURES)


METADATA_WORDS = frozenset(
    vocabulary(
        "name symbol category url website site description audits audit audited auditors parent logo icon twitter"
        " discord github oracles oracle chains status governance treasury listed methodology language team license slug"
    )
)
"""What describes a protocol; its key is none of it."""
