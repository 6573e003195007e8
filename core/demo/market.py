"""The market simulator: what real protocols and tokens might do, fully determined by a seed.

Most steps are far below any threshold; rtp's work is to find the few that are not. Nothing here knows a
database or a clock, and every row says `source = 'simulated'`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from core.demo import catalogue, walk
from core.demo.change import Change, FeedStep, PriceChange, ProtocolChange, TvlChange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.demo.catalogue import Token
    from core.demo.walk import Walk

ROWS_PER_STEP = 4
PRICE_SHARE = 0.6
METADATA_SHARE = 0.0005
QUOTE_NOISE = 0.00002
"""How far one chain's quote strays from the token's common price."""

_NEIGHBOURS = (
    ("Lending", "CDP"),
    ("Dexs", "DEX Aggregator"),
    ("Liquid Staking", "Liquid Restaking"),
    ("Yield", "Yield Aggregator"),
    ("Derivatives", "Perpetuals"),
    ("RWA", "RWA Lending"),
    ("Bridge", "Cross Chain Bridge"),
)
_NEIGHBOUR = {**dict(_NEIGHBOURS), **{right: left for left, right in _NEIGHBOURS}}


class Market:
    """One simulated market. Two markets of one seed take the same steps."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._protocols = catalogue.protocols()
        self._tvls = [(opening, walk.tvl(self._random)) for opening in catalogue.tvls()]
        tokens = catalogue.tokens()
        self._quotes = [(token, chain) for token in tokens for chain in token.chains]
        self._walks = _price_walks(self._random, tokens)

    def opening(self) -> FeedStep:
        """Every row as it is before the first step."""
        prices = (
            PriceChange(chain, token.name, walk.price_amount(token.price_usd), 0.99, catalogue.SOURCE)
            for token, chain in self._quotes
        )
        return FeedStep((*catalogue.protocols(), *(opening for opening, _ in self._tvls), *prices))

    def steps(self) -> Iterator[FeedStep]:
        """The market's steps from its present state, without end. A step is what one poll might bring."""
        while True:
            changes = (self._next_change() for _ in range(ROWS_PER_STEP))
            yield FeedStep(tuple({change.key: change for change in changes}.values()))

    def _next_change(self) -> Change:
        kind = self._random.random()
        if kind < PRICE_SHARE:
            return self._price_change()
        if kind < 1 - METADATA_SHARE:
            return self._tvl_change()
        return self._protocol_change()

    def _price_change(self) -> PriceChange:
        token, chain = self._random.choice(self._quotes)
        price = token.price_usd * self._walks[token.follows].advance()
        quote = price * (1 + self._random.gauss(0, QUOTE_NOISE))
        confidence = round(self._random.uniform(0.9, 0.99), 2)
        return PriceChange(chain, token.name, walk.price_amount(quote), confidence, catalogue.SOURCE)

    def _tvl_change(self) -> TvlChange:
        opening, tvl = self._random.choice(self._tvls)
        value = walk.usd_amount(float(opening.tvl_usd) * tvl.advance())
        return replace(opening, tvl_usd=value)

    def _protocol_change(self) -> ProtocolChange:
        index = self._random.randrange(len(self._protocols))
        protocol = _edited(self._random, self._protocols[index])
        self._protocols[index] = protocol
        return protocol


def _price_walks(random: Random, tokens: list[Token]) -> dict[str, Walk]:
    """One walk per independent token.

    Every quote that shares a walk moves it, so a token quoted in many places would jump between two updates
    of one quote; the step shrinks by the root of their number, which leaves each quote its own
    `step_percent`.
    """
    quotes = Counter({token.name: 0 for token in tokens})
    for token in tokens:
        quotes[token.follows] += len(token.chains)
    return {
        token.name: (walk.stable_price if token.stable else walk.floating_price)(
            random, token.step_percent / 100 / quotes[token.name] ** 0.5
        )
        for token in tokens
        if token.follows == token.name
    }


def _edited(random: Random, protocol: ProtocolChange) -> ProtocolChange:
    """One field as an editor might change it: a new audit, a moved site, another category."""
    field = random.choice(("audits", "url", "category"))
    if field == "url":
        url = protocol.url or ""
        moved = url.replace("//app.", "//") if "//app." in url else url.replace("//", "//app.")
        return replace(protocol, url=moved)
    if field == "category" and protocol.category in _NEIGHBOUR:
        return replace(protocol, category=_NEIGHBOUR[protocol.category])
    return replace(protocol, audits=(protocol.audits or 0) % 9 + 1)
