"""The routes: which events go to which SQS queue, and under which extra channel; see `docs/reference/routing.md`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, ModelWrapValidatorHandler, StrictBool, ValidationInfo, model_validator

from core.kinds import MARKET, SHIPPED, Kinds, entity_words
from core.settings.fields import (
    Glob,
    Percent,
    QueueName,
    SettingsModel,
    Text,
    derived,
    value_of,
    with_key_for_each,
)
from rtp_client.event import Reason, Severity


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


def _one_of(choices: Collection[str]) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value not in list(choices):
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return BeforeValidator(check)


_OneOrMore = BeforeValidator(_as_list)
_Names = Annotated[tuple[Glob, ...], _OneOrMore, Field(min_length=1, max_length=1000)]
_Reasons = Annotated[tuple[Annotated[Reason, _one_of(Reason)], ...], _OneOrMore, Field(min_length=1)]


class RouteMatch(SettingsModel):
    """What an event must be like; every key that is given must fit, one left out fits all.

    A list fits where one of its entries does. Names may be globs (`*`, `?`). Each kind's word for its entity is a key,
    too: `protocol` speaks of TVL and metadata, `token` of prices, `watch` of market-wide moves. Where only some of them
    are given, events of the other kinds do not fit.
    """

    known: ClassVar[Kinds] = SHIPPED

    kind: tuple[str, ...] | None = None
    chain: _Names | None = None
    severity: Annotated[Severity, _one_of(Severity)] | None = Field(default=None, description="At least this.")
    reason: _Reasons | None = None
    min_percent: Percent | None = None
    market: StrictBool | None = Field(default=None, description="Whether it is part of a market-wide move.")

    @model_validator(mode="wrap")
    @classmethod
    def _by_the_kinds(cls, written: Any, validate: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> RouteMatch:
        # In the section of a sink, which is not made for the kinds.
        if cls is not RouteMatch or isinstance(written, RouteMatch):
            return validate(written)
        context = info.context or {}
        return match_model(context.get("kinds", SHIPPED)).model_validate(written, context=context)

    @model_validator(mode="after")
    def _names_fit_the_kind(self) -> Self:
        if not self.kinds:
            word = self.words[0]
            needed = " or ".join(kind.name for kind in self.known.values() if kind.entity == word)
            raise ValueError(f"kind and {word} exclude each other: {word} needs kind {needed}")
        return self

    @property
    def words(self) -> tuple[str, ...]:
        """The kinds' words for their entities under which names are given."""
        return tuple(word for word in entity_words(self.known) if value_of(self, word) is not None)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of event that can fit."""
        words = self.words
        return tuple(kind for kind in self.kind or self.known if not words or self.known[kind].entity in words)

    def names_of(self, kind: str) -> tuple[str, ...] | None:
        """The names of which an event's entity must be one; None where none are given for its kind."""
        names: tuple[str, ...] | None = value_of(self, self.known[kind].entity)
        return names


class Route(SettingsModel):
    """Where the events go that match: to a queue, to a channel, or to both."""

    name: Text | None = None
    match: RouteMatch
    queue: QueueName | None = None
    dead_letter_queue: QueueName | None = None
    channel: Text | None = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.queue is None and self.channel is None:
            raise ValueError("leads nowhere. Give it a queue, a channel, or both")
        if self.dead_letter_queue is not None and self.queue is None:
            raise ValueError("has a dead_letter_queue and no queue. Add the queue")
        return self


def match_model(kinds: Kinds) -> type[RouteMatch]:
    """The model of a match for events of these kinds, and of market-wide moves."""
    kinds = {**kinds, MARKET.name: MARKET}
    one_of_them = Annotated[tuple[Annotated[str, _one_of(kinds)], ...], _OneOrMore, Field(min_length=1)]
    with_kind = derived(RouteMatch, known=(ClassVar[Kinds], kinds), kind=(one_of_them | None, None))
    return with_key_for_each(with_kind, entity_words(kinds), _Names | None)


def route_model(kinds: Kinds) -> type[Route]:
    """The model of a route for events of these kinds."""
    match = match_model(kinds)
    return derived(Route, match=(match, match()))
