"""Random rules and random prices, chosen to lie on the edges of one another."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.severity import EXACT

if TYPE_CHECKING:
    from random import Random

CHAINS = ("ethereum", "eth%", "base")
TOKENS = ("usdc", "usd_", "USDC", "it's", "w.eth", "é")
SOURCES = ("binance", "kraken", "it's", "é")
_GLOBS = ("usd*", "usd?", "*", "?s*", "USDC", "usd_", "it's")
_WAITING_PEGS: tuple[dict[str, Any], ...] = (
    {"for": "30s"},
    {"for": "2m", "recover_bps": "1"},
    {"value": "1.0", "deviation_bps": "100", "recover_for": "30s"},
)
_PERCENTS = ("0", "0.1", "1", "5", "20", "150")
_FACTORS = ("1", "1.001", "0.999", "1.01", "0.99", "0.95", "1.2", "0.8", "2.5", "-1", "10", "10.0000000001", "0.4")
_ODD = (
    *(
        None,
        None,
        "0",
        "0.000",
        "-0",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e-30",
        "-1e-30",
        "1",
        "1.000",
        "-1",
        "100",
        "1e25",
    ),
    *(
        "0.995",
        "1.005",
        "1.0049999999999999999999999999",
        "123456789012345678901234567890.123456789012345678901234567890",
    ),
)


def random_rules(random: Random, *, with_clock: bool, plain: bool = False) -> dict[str, Any]:
    """Some of a watch's rules; those that time decides only `with_clock`, those that need a memory unless `plain`."""
    choices: dict[str, list[Any]] = {
        "percent": list(_PERCENTS),
        "min_change": ["0", "0.005", "3"],
        "emit_first": [True, False],
        "severity": [{"warning": "1", "critical": "10"}, {"info": 0, "warning": 0, "critical": 0}],
    }
    if with_clock:
        choices["heartbeat"] = ["0s", "30s", "90s", "10m"]
        choices["cooldown"] = ["0s", "30s", "2m", "1d"]
    if not plain:
        choices["peg"] = [
            {},
            {"value": "1.0", "deviation_bps": "100", "recover_bps": "100"},
            {"value": "100", "deviation_bps": "5000", "severity_bps": {"warning": "6000", "critical": "9000"}},
            *(_WAITING_PEGS if with_clock else ()),
        ]
        release = ["30s", "2m", "1d"] if with_clock else ["1d"]
        choices["glitch_guard"] = [
            {"factor": factor, "confirmations": count, "release_after": pause}
            for factor in ("1.001", "2", "10")
            for count in (1, 2)
            for pause in release
        ]
        if with_clock:
            choices["moves"] = [
                [{"over": "1m", "percent": "0.5"}],
                [{"over": "5m", "percent": "1", "direction": "down"}, {"over": "1h", "percent": "50"}],
            ]
    return {key: random.choice(values) for key, values in choices.items() if random.random() < 0.4}


def random_watch(random: Random, *, shape: str, with_clock: bool, plain: bool = False) -> dict[str, Any]:
    """A watch of the table `samples`, with overrides that overlap."""
    overrides = []
    for _ in range(random.choice((0, 0, 1, 3, 6))):
        names = {"chain": random.choice((None, *CHAINS, "eth*", "?ase")), "token": random.choice((None, *_GLOBS))}
        found = random_rules(random, with_clock=with_clock, plain=plain)
        overrides.append(found | {key: name for key, name in names.items() if name is not None})
    return {
        "kind": "price",
        "table": "samples",
        "columns": {
            **{"chain": "chain", "token": "token", "value": "price"},
            **{"changed_at": "at", "confidence": "trust", "provenance": "feed"},
        },
        "shape": shape,
        "compare_with": "last_event" if plain else random.choice(("last_event", "last_event", "previous_row")),
        "overrides": overrides,
        **random_rules(random, with_clock=with_clock, plain=plain),
    }


def random_agreement(random: Random) -> dict[str, Any]:
    """How many sources of an entity must agree, and for how long they may disagree."""
    return {
        "sources": random.choice((2, 2, 3)),
        "within": random.choice(("1m", "5m")),
        **random.choice(({}, {"disagree_for": "2m"}, {"disagree_for": "30s", "disagree_percent": "2"})),
    }


def random_price(random: Random, recent: Decimal | None) -> Decimal | None:
    """The next price: often a step of a threshold's size from a recent one."""
    if recent is None or not recent.is_finite() or random.random() < 0.2:
        odd = random.choice(_ODD)
        return None if odd is None else Decimal(odd)
    price = EXACT.multiply(recent, Decimal(random.choice(_FACTORS)))
    if not Decimal("1e-60") < abs(price) < Decimal("1e60"):
        return Decimal(1)
    return price
