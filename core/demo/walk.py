"""The simulated market's arithmetic: a random walk with jumps, and the digits it is shown with."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

PRICE_DIGITS = 7
CENT = Decimal("0.01")


class Walk:
    """Geometric Brownian motion with jumps, as a factor of the starting value.

    `pull` draws the logarithm back by that share at each step. It is weak for a floating value, so that a
    demo left alone over a weekend still shows plausible numbers, and strong for a stablecoin, where it is
    the peg.
    """

    def __init__(
        self,
        random: Random,
        *,
        step: float,
        pull: float,
        jump_chance: float,
        jump_low: float,
        jump_high: float,
    ) -> None:
        self._random = random
        self._step = step
        self._pull = pull
        self._jump_chance = jump_chance
        self._jump_low = jump_low
        self._jump_high = jump_high
        self._log = 0.0

    def advance(self) -> float:
        """Take one step; the value's new factor."""
        self._log += self._random.gauss(0, self._step) - self._pull * self._log
        if self._random.random() < self._jump_chance:
            self._log += self._random.uniform(self._jump_low, self._jump_high)
        return math.exp(self._log)


def floating_price(random: Random, step: float) -> Walk:
    """A token with a market of its own."""
    return Walk(random, step=step, pull=2e-5, jump_chance=1 / 1000, jump_low=-0.02, jump_high=0.02)


def stable_price(random: Random, step: float) -> Walk:
    """A stablecoin: on its peg, except for a rare loss of up to 4 % that takes some dozens of steps to heal."""
    return Walk(random, step=step, pull=0.05, jump_chance=1 / 5000, jump_low=-0.04, jump_high=-0.002)


def tvl(random: Random) -> Walk:
    """A protocol's TVL on one chain; the jumps are large deposits and withdrawals."""
    return Walk(random, step=0.0015, pull=2e-5, jump_chance=1 / 250, jump_low=-0.06, jump_high=0.06)


def price_amount(value: float) -> Decimal:
    """A price with seven significant digits: 96420.51, 1.000012, 0.00001584203."""
    amount = Decimal(value)
    return amount.quantize(Decimal(1).scaleb(amount.adjusted() - PRICE_DIGITS + 1))


def usd_amount(value: float) -> Decimal:
    """An amount in US dollars and cents."""
    return Decimal(value).quantize(CENT)
