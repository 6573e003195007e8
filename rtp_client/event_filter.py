"""Which events someone wants to see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from rtp_client.errors import SettingsError
from rtp_client.event import Reason, Severity
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rtp_client.event import Event

Names = str | Sequence[str] | None
_Word = TypeVar("_Word", Reason, Severity)

SEVERITY_RANK = {severity: rank for rank, severity in enumerate(Severity)}
_PERCENT_DIGITS = 40  # more is a slip of the fingers


@dataclass(frozen=True)
class EventFilter:
    """Every part that is given must match; one left out matches all.

    `kind`, `chain` and `entity` are each a name or a glob (`*`, `?`, `[...]`), or several, of which one must fit;
    upper and lower case are the same. `min_pct` asks for at least that |change_pct|, compared exactly. An event
    without a percentage does not pass it (metadata, first sightings, deletions, NaN), unless the move was infinite:
    away from zero, or to Infinity, is above any bound. `severity` asks for at least that one, `reason` for one of
    these. `market` asks whether the change is part of a market-wide move. Raises SettingsError for what can be none of
    that.
    """

    kind: Names = None
    chain: Names = None
    entity: Names = None
    min_pct: Decimal | None = None
    severity: Severity | str | None = None
    reason: Reason | str | Sequence[str] | None = None
    market: bool | str | None = None

    def __post_init__(self) -> None:
        """Keep names as tuples, and words as members of their enumerations: filters compare and hash."""
        checked: dict[str, object] = {part: _names(part, getattr(self, part)) for part in ("kind", "chain", "entity")}
        checked["min_pct"] = _percent(self.min_pct)
        checked["severity"] = None if self.severity is None else _word("severity", Severity, self.severity)
        reasons = _names("reason", self.reason)
        checked["reason"] = None if reasons is None else tuple(_word("reason", Reason, one) for one in reasons)
        checked["market"] = _truth("market", self.market)
        for part, value in checked.items():
            object.__setattr__(self, part, value)

    @classmethod
    def from_json(cls, document: object) -> Self:
        """The filter in a message: an object with any of the parts, names as strings or lists of them."""
        if not isinstance(document, Mapping):
            raise SettingsError(f"filter: must be an object, not {shown(str(document))!r}", _PARTS_ARE)
        if unknown := document.keys() - cls.__dataclass_fields__.keys():
            raise SettingsError(f"filter.{shown(str(min(unknown, key=str)))}: is no part of a filter", _PARTS_ARE)
        return cls(**document)

    def as_json(self) -> dict[str, str | list[str]]:
        """The parts that are given, as `from_json` reads them."""
        return dict(self._given())

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        data = event.data
        return self.covers(data.kind, data.chain, data.entity) and self.fits(data)

    def covers(self, kind: str, chain: str, entity: str) -> bool:
        """Whether an entity is wanted."""
        return named(kind, self.kind) and named(chain, self.chain) and named(entity, self.entity)

    def fits(self, data: Move) -> bool:
        """Whether an event of an entity that is wanted is wanted itself: by its reason, severity and size."""
        return (
            (self.reason is None or data.reason in self.reason)
            and (
                self.severity is None
                or SEVERITY_RANK[Severity(data.severity)] >= SEVERITY_RANK[Severity(self.severity)]
            )
            and (self.min_pct is None or moved_at_least(data, self.min_pct))
            and (self.market is None or self.market is (data.market is not None))
        )

    def _given(self) -> Iterator[tuple[str, str | list[str]]]:
        for part in self.__dataclass_fields__:
            match getattr(self, part):
                case None:
                    pass
                case bool() as truth:
                    yield part, str(truth).lower()
                case tuple() as several:
                    yield part, [str(one) for one in several]
                case one:
                    yield part, str(one)


_PARTS_ARE = f"The parts are {', '.join(EventFilter.__dataclass_fields__)}"


def _names(part: str, given: object) -> tuple[str, ...] | None:
    if given is None or isinstance(given, str):
        return None if given is None else (given,)
    if isinstance(given, Sequence) and given and all(isinstance(one, str) for one in given):
        return tuple(given)
    raise SettingsError(f"filter.{part}: must be a text or a list of texts, not {shown(str(given))!r}")


def _percent(given: object) -> Decimal | None:
    if given is None:
        return None
    try:
        percent = Decimal(str(given))
        if percent.is_finite() and percent >= 0 and percent.adjusted() <= _PERCENT_DIGITS:
            return percent
    except InvalidOperation:
        pass
    raise SettingsError(f"filter.min_pct: must be a number of percent, 0 or more, not {shown(str(given))!r}")


def _truth(part: str, given: object) -> bool | None:
    truths = {"true": True, "false": False}
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, str) and given in truths:
        return truths[given]
    raise SettingsError(f"filter.{part}: must be true or false, not {shown(str(given))!r}")


def _word(part: str, words: type[_Word], given: object) -> _Word:
    try:
        return words(str(given))
    except ValueError:
        choices = ", ".join(words)
        raise SettingsError(f"filter.{part}: must be one of {choices}, not {shown(str(given))!r}") from None


def named(name: str, wanted: Names) -> bool:
    """Whether a name is one of those wanted, or fits one of those globs, whatever the case."""
    if wanted is None:
        return True
    folded = name.casefold()
    return any(_stands_for(glob.casefold(), folded) for glob in ((wanted,) if isinstance(wanted, str) else wanted))


def _stands_for(glob: str, name: str) -> bool:
    # Equality first: a token called `[x]` is found by its own name.
    return name == glob or fnmatchcase(name, glob)


class Move(Protocol):
    """What tells how far a value has moved, and what was made of it: an event's data, or a row of the log."""

    @property
    def current(self) -> str | None:
        """The value now."""

    @property
    def change_pct(self) -> str | None:
        """The change in percent, where there is one."""

    @property
    def reason(self) -> str:
        """Why it is an event."""

    @property
    def severity(self) -> str:
        """How much it matters."""

    @property
    def market(self) -> str | None:
        """The market-wide move that it is part of."""


def moved_at_least(data: Move, min_pct: Decimal) -> bool:
    """Whether |change_pct| is at least this; an infinite move is, one without a percentage is not."""
    if data.change_pct is None:
        return data.reason == Reason.FROM_ZERO or data.current in ("Infinity", "-Infinity")
    percent = Decimal(data.change_pct)
    # copy_abs, as abs() would round to the context's 28 digits.
    return not percent.is_nan() and percent.copy_abs() >= min_pct
