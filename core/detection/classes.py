"""Which entities of a history belong together, as far as alerts go: found from their values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from core.detection.detector import Key
    from core.kinds import Kind

ClassName = Literal["stable", "volatile", "large", "small", "all"]
PEG = 1
PEG_DISTANCES_BPS = (25, 50, 75, 100, 150)
_STABLE_BPS = 100
_MOSTLY, _NEARLY_ALWAYS = 0.9, 0.95
_MOST_NAMED = 200


@dataclass(slots=True)
class _EntityProfile:
    first_at: datetime
    last_at: datetime
    value: float
    samples: int = 0
    size: float = 0.0
    near_peg: list[timedelta] = field(default_factory=lambda: [timedelta()] * len(PEG_DISTANCES_BPS))

    def take(self, value: float, at: datetime) -> None:
        self.samples += 1
        self.size += min(abs(value), 1e300) / 2
        if at < self.last_at:
            return
        for place, bps in enumerate(PEG_DISTANCES_BPS):
            if abs(self.value - PEG) * 10_000 < bps * PEG:
                self.near_peg[place] += at - self.last_at
        self.value, self.last_at = value, at

    @property
    def time(self) -> timedelta:
        return self.last_at - self.first_at

    @property
    def is_stable(self) -> bool:
        return self.time > timedelta() and self.near_peg[PEG_DISTANCES_BPS.index(_STABLE_BPS)] >= _MOSTLY * self.time

    @property
    def mean_size(self) -> float:
        return self.size / self.samples


@dataclass(frozen=True)
class EntityClass:
    """Entities that want the same rules, and their samples.

    `pause` is the usual time between two samples of one; of stable ones `deviations_bps` are the distances from the peg
    that they keep within for 95 % of the time, else the widest.
    """

    name: ClassName
    samples: dict[Key, int]
    pause: timedelta
    deviations_bps: tuple[int, ...]


@dataclass
class Profile:
    """What a first look at a history remembers: a few numbers of each entity."""

    entities: dict[Key, _EntityProfile] = field(default_factory=dict)

    def take(self, key: Key, value: Decimal | None, at: datetime) -> None:
        """Look at a sample."""
        if value is None or not value.is_finite():
            return
        number, seen = float(value), self.entities.get(key)
        if seen is None:
            seen = self.entities[key] = _EntityProfile(at, at, number)
        seen.take(number, at)

    def classes(self, kind: Kind) -> list[EntityClass]:
        """The classes, those with rules of their own first; the last one is everybody else's.

        A kind with pegs has prices that are within 1 % of 1 nine tenths of the time, and others. One that counts money
        has those that hold nine tenths of it, 200 at most, and others. Another kind has one class.
        """
        keys = sorted(self.entities, key=lambda key: (-self.entities[key].mean_size, key))
        if kind.has_peg:
            stable = [key for key in keys if self.entities[key].is_stable][:_MOST_NAMED]
            return self._split(keys, stable, "stable", "volatile")
        if kind.prefix == "$":
            return self._split(keys, self._largest(keys), "large", "small")
        return self._split(keys, [], "all", "all")

    def _largest(self, keys: list[Key]) -> list[Key]:
        total, held = sum(self.entities[key].mean_size for key in keys), 0.0
        largest = []
        for key in keys[:_MOST_NAMED]:
            if held >= _MOSTLY * total:
                break
            largest.append(key)
            held += self.entities[key].mean_size
        return largest

    def _split(self, keys: list[Key], some: list[Key], name: ClassName, others: ClassName) -> list[EntityClass]:
        chosen = set(some)
        parts = ((name, some), (others, [key for key in keys if key not in chosen]))
        return [self._class(name, members) for name, members in parts if members]

    def _class(self, name: ClassName, keys: list[Key]) -> EntityClass:
        seen = [self.entities[key] for key in keys]
        steps = sum(one.samples - 1 for one in seen)
        time = sum((one.time for one in seen), timedelta())
        kept = [
            bps
            for place, bps in enumerate(PEG_DISTANCES_BPS)
            if sum((one.near_peg[place] for one in seen), timedelta()) >= _NEARLY_ALWAYS * time
        ]
        samples = {key: self.entities[key].samples for key in sorted(keys)}
        pause = time / steps if steps else timedelta()
        return EntityClass(name, samples, pause, tuple(kept) or PEG_DISTANCES_BPS[-1:])
