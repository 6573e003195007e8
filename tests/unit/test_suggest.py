"""Rules proposed from a history: which classes are found, and what is chosen for each."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from cli.backtest_yaml import suggestion_yaml
from core.detection.backtest import Backtest, choose_watch, new_tally
from core.detection.classes import Profile
from core.detection.state import Sample
from core.detection.suggest import Suggestion, suggest
from core.errors import SettingsError
from core.kinds import SHIPPED
from core.settings.models import Settings

if TYPE_CHECKING:
    from core.detection.detector import Key
    from core.detection.history import Row
    from core.settings.watches import ValueWatch

    Rows = list[Row]

START = datetime(2024, 3, 1, tzinfo=UTC)
USDC, ETH, ETH_ON_BASE = ("ethereum", "usdc"), ("ethereum", "eth"), ("base", "eth")


def watch(kind: str = "price", **keys: Any) -> ValueWatch:
    word = SHIPPED[kind].entity
    written = {"kind": kind, "table": "t", "columns": {word: word, "chain": "chain", "value": "value"}, **keys}
    return choose_watch(Settings.model_validate({"watches": {"w": written}}), None)[1]


def series(key: Key, values: list[float], pause: timedelta = timedelta(minutes=30)) -> Rows:
    return [(key, Sample(Decimal(f"{value:.6f}"), START + pause * place)) for place, value in enumerate(values)]


def wandering(key: Key, step: float, *, seed: int) -> Rows:
    """A price of four days that goes up and down by up to `step` of itself in half an hour."""
    chance, values = random.Random(seed), [100.0]
    while len(values) < 200:
        values.append(values[-1] * (1 + chance.uniform(-step, step)))
    return series(key, values)


def pegged() -> Rows:
    """A stablecoin that is within 20 bps of its peg, but for two hours at 0.97."""
    chance = random.Random(7)
    values = [1 + chance.uniform(-0.002, 0.002) for _ in range(300)]
    values[150:155] = [0.97] * 5
    return series(USDC, values)


def proposed(rows: Rows, rules: ValueWatch, per_day: float = 5) -> Suggestion:
    return suggest(lambda: rows, rules, per_day, lambda _: None)


def test_a_stablecoin_gets_a_peg_and_other_prices_a_percentage() -> None:
    document = proposed([*pegged(), *wandering(ETH, 0.02, seed=1)], watch()).document
    (override,) = document["overrides"]
    assert override["token"] == "usdc"
    assert override["peg"] == {"value": 1, "deviation_bps": 25, "recover_bps": 10, "recover_for": "1h"}
    assert override["moves"] == []
    assert ("percent" in document, "peg" in document) == (True, False)


def test_one_class_alone_is_the_watch_s_own_rule() -> None:
    assert set(proposed(pegged(), watch()).document) == {"percent", "cooldown", "moves", "peg"}


def test_what_is_proposed_keeps_within_the_events_a_day_and_misses_less_with_more_of_them() -> None:
    rows = [*wandering(ETH, 0.03, seed=1), *wandering(ETH_ON_BASE, 0.03, seed=2)]
    missed = []
    for per_day in (1.0, 20.0):
        result = Backtest([new_tally("", "w", proposed(rows, watch(), per_day).applied())])
        result.run(rows)
        noise = result.tallies[0].noise
        assert noise.per_entity_day is not None
        assert noise.per_entity_day * 2 <= per_day
        missed.append(noise.large_moves.missed)
    assert missed[0] > missed[1]


def test_a_proposal_says_how_many_large_moves_it_tells_nothing_of() -> None:
    rows = wandering(ETH, 0.03, seed=1)
    suggestion = proposed(rows, watch(), per_day=0.05)
    result = Backtest([new_tally("", "w", suggestion.applied())])
    result.run(rows)
    moves = result.tallies[0].noise.large_moves
    assert moves.missed
    (proposal,) = suggestion.proposals
    assert (proposal.large_moves, proposal.missed) == (moves.found, moves.missed)
    assert f"tells nothing of {moves.missed} of {moves.found} large moves" in suggestion_yaml(suggestion, "w")


def test_where_nothing_is_quiet_enough_the_quietest_is_proposed_and_said_to_be_more() -> None:
    rows = series(ETH, [100.0, 500.0] * 100)
    (proposal,) = proposed(rows, watch(), per_day=1).proposals
    assert proposal.is_over


def test_a_cooldown_shorter_than_the_pause_between_samples_is_not_proposed() -> None:
    rows = series(ETH, [100 + place % 7 * 5 for place in range(60)], pause=timedelta(days=1))
    assert "cooldown" not in proposed(rows, watch()).document


def test_the_watch_keeps_its_other_keys_and_loses_its_overrides() -> None:
    before = watch(heartbeat="1h", reject=["zero"], overrides=[{"token": "eth", "percent": 9}])
    after = proposed(pegged(), before).applied()
    assert (after.heartbeat, after.reject, after.overrides) == (timedelta(hours=1), ("zero",), ())


def test_large_tvl_is_what_holds_nine_tenths_together() -> None:
    profile = Profile()
    for name, value in {"lido": 900, "aave": 80, "tiny": 15, "dust": 5}.items():
        for hour in range(2):
            profile.take(("ethereum", name), Decimal(value), START + timedelta(hours=hour))
    classes = {one.name: {name for _, name in one.samples} for one in profile.classes(SHIPPED["tvl"])}
    assert classes == {"large": {"lido"}, "small": {"aave", "tiny", "dust"}}


def test_a_name_that_is_in_both_classes_is_named_with_its_chain() -> None:
    rows = [*series(("base", "aave"), [1, 1]), *series(("ethereum", "aave"), [900, 900])]
    assert [{"protocol": "aave", "chain": "ethereum"}.items() <= one.items() for one in _overrides(rows)] == [True]


def _overrides(rows: Rows) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = proposed(rows, watch("tvl")).document["overrides"]
    return found


def test_an_empty_history_has_nothing_to_propose() -> None:
    with pytest.raises(SettingsError, match="no values to propose rules from"):
        proposed([None], watch())
