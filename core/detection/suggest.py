"""Rules proposed from a history: the ones that say no more than so many events a day, and miss the least.

Each class of entities is tried with a ladder of rules, by the one rule book. Of a class with many samples, evenly
chosen entities are tried in their stead.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import count, product
from typing import TYPE_CHECKING, Any

from core.detection.backtest import Backtest, new_tally
from core.detection.classes import PEG, Profile
from core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from core.detection.backtest import Tally
    from core.detection.classes import EntityClass
    from core.detection.detector import Key
    from core.detection.history import Row
    from core.detection.state import Sample
    from core.settings.watches import ValueWatch

RuleKeys = dict[str, Any]
"""Keys of a rule, as YAML has them."""

_PERCENTS = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75)
_COOLDOWNS = {None: timedelta(), "15m": timedelta(minutes=15), "1h": timedelta(hours=1), "6h": timedelta(hours=6)}
_WAITS = (None, "1m", "5m", "15m")
_STABLE: RuleKeys = {"percent": 3, "cooldown": "1h", "moves": []}
"""Of a price on its peg its distance from there tells, not its steps."""

_SAMPLES_TRIED = 30_000
_FEW_FLAPS = 0.1
_ROWS_PER_NEWS = 5000


@dataclass(frozen=True)
class Proposal:
    """The rules that are proposed for a class, and the events a day that they would have told.

    `tried` is how many entities that is reckoned from, which made so many large moves; `missed` is how many of those
    these rules tell nothing of. `is_over` says that the events are more than the class's share.
    """

    entities: EntityClass
    keys: RuleKeys
    a_day: float
    tried: int
    large_moves: int
    missed: int
    is_over: bool


@dataclass(frozen=True)
class Suggestion:
    """What is proposed for a watch."""

    proposals: Sequence[Proposal]
    per_day: float
    watch: ValueWatch

    @property
    def document(self) -> RuleKeys:
        """The watch's keys as YAML has them: the last class's stand in the watch itself, the others' in overrides."""
        *others, rest = self.proposals
        overrides = [
            name | proposal.keys
            for proposal in others
            for name in _names(proposal.entities, rest.entities, self.watch.about.entity)
        ]
        return {**rest.keys, "overrides": overrides} if overrides else dict(rest.keys)

    def applied(self) -> ValueWatch:
        """The watch with these keys, without its own overrides."""
        return with_keys(self.watch, self.document)


def with_keys(watch: ValueWatch, keys: RuleKeys) -> ValueWatch:
    """A watch with other rules: its own percent, cooldown, peg and overrides are gone, its other keys stay."""
    written = watch.model_dump(mode="json", by_alias=True, exclude_none=True)
    kept = {key: value for key, value in written.items() if key not in ("percent", "cooldown", "peg", "overrides")}
    return type(watch).model_validate(kept | keys)


def suggest(
    rows: Callable[[], Iterable[Row]],
    watch: ValueWatch,
    per_day: float,
    on_progress: Callable[[int], None],
    large_percent: float | None = None,
) -> Suggestion:
    """Read a history twice: which classes there are, and what each rule would have told of them.

    The events a day are of all entities together. Each class gets an equal share of what those before it have left.
    Raises SettingsError where the history is empty.
    """
    profile = Profile()
    numbers = count(1)
    for key, sample in _read(rows(), numbers, on_progress):
        profile.take(key, sample.value, sample.at)
    trials = [_Trial(entities, watch, large_percent) for entities in profile.classes(watch.about)]
    trial_of = {key: trial for trial in trials for key in trial.keys}
    for key, sample in _read(rows(), numbers, on_progress):
        if (trial := trial_of.get(key)) is not None:
            trial.backtest.take(key, sample)
    if not trials:
        raise SettingsError("the history holds no values to propose rules from", "Name another one with --history")
    proposals: list[Proposal] = []
    for place, trial in enumerate(trials):
        left = per_day - sum(one.a_day for one in proposals)
        proposals.append(trial.choose(left / (len(trials) - place)))
    return Suggestion(proposals, per_day, watch)


def _read(
    rows: Iterable[Row], numbers: Iterator[int], on_progress: Callable[[int], None]
) -> Iterator[tuple[Key, Sample]]:
    for row in rows:
        if (number := next(numbers)) % _ROWS_PER_NEWS == 0:
            on_progress(number)
        if row is not None:
            yield row


class _Trial:
    """A class's candidates over some of its entities."""

    def __init__(self, entities: EntityClass, watch: ValueWatch, large_percent: float | None) -> None:
        self._entities = entities
        self._candidates = _candidates(entities)
        self.keys = _chosen(entities)
        tallies = [new_tally("", "", with_keys(watch, keys)) for keys in self._candidates]
        self.backtest = Backtest(tallies, large_percent)

    def choose(self, budget: float) -> Proposal:
        """The candidate that says no more than the budget, misses least, flaps little, and tells soonest.

        Among equals it is the first. Where all say more, the quietest is proposed.
        """
        self.backtest.end()
        ranked = [
            (max(0.0, self._a_day(tally) - budget), *_faults(tally), place)
            for place, tally in enumerate(self.backtest.tallies)
        ]
        best = min(ranked)[-1]
        chosen = self.backtest.tallies[best]
        a_day, moves = self._a_day(chosen), chosen.noise.large_moves
        return Proposal(
            self._entities,
            self._candidates[best],
            a_day,
            tried=len(self.keys),
            large_moves=moves.found,
            missed=moves.missed,
            is_over=a_day > budget,
        )

    def _a_day(self, tally: Tally) -> float:
        return (tally.noise.per_entity_day or 0.0) * len(self._entities.samples)


def _faults(tally: Tally) -> tuple[int, bool, timedelta]:
    noise = tally.noise
    return noise.large_moves.missed, noise.flaps > _FEW_FLAPS * noise.events, noise.large_moves.all_delays


def _candidates(entities: EntityClass) -> list[RuleKeys]:
    if entities.name == "stable":
        return [
            _STABLE
            | {
                "peg": {
                    "value": PEG,
                    "deviation_bps": bps,
                    "recover_bps": bps * 2 // 5,
                    "recover_for": "1h",
                    **({"for": wait} if wait else {}),
                }
            }
            for bps, wait in product(entities.deviations_bps, _WAITS)
        ]
    # A cooldown that is over before the next sample comes holds nothing back.
    pauses = [name for name, pause in _COOLDOWNS.items() if name is None or pause > entities.pause]
    return [
        {"percent": percent, **({"cooldown": pause} if pause else {})} for pause, percent in product(pauses, _PERCENTS)
    ]


def _chosen(entities: EntityClass) -> set[Key]:
    step = -(-sum(entities.samples.values()) // _SAMPLES_TRIED)
    return set(list(entities.samples)[::step]) if step else set()


def _names(entities: EntityClass, others: EntityClass, word: str) -> list[RuleKeys]:
    """What names the entities of a class in overrides: without the chain where none of that name is in the other."""
    elsewhere = {name for _, name in others.samples}
    alone = dict.fromkeys(name for _, name in entities.samples if name not in elsewhere)
    with_chain = [(chain, name) for chain, name in entities.samples if name in elsewhere]
    return [{word: name} for name in alone] + [{word: name, "chain": chain} for chain, name in with_chain]
