"""The routes: which events go to which SQS queue, and under which extra pub/sub channel; see `docs/routing.md`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from core.kinds import SHIPPED
from core.settings.fields import Glob, Percent, QueueName, SettingsModel, Text
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
_Kinds = Annotated[tuple[Annotated[str, _one_of(SHIPPED)], ...], _OneOrMore, Field(min_length=1)]
_Reasons = Annotated[tuple[Annotated[Reason, _one_of(Reason)], ...], _OneOrMore, Field(min_length=1)]


class RouteMatch(SettingsModel):
    """What an event must be like; every key that is given must fit, one left out fits all.

    A list fits where one of its entries does. Names may be globs (`*`, `?`). `protocol` speaks of TVL and metadata,
    `token` of prices: where only one of them is given, events of the other sort do not fit.
    """

    kind: _Kinds | None = None
    protocol: _Names | None = None
    token: _Names | None = None
    chain: _Names | None = None
    severity: Annotated[Severity, _one_of(Severity)] | None = Field(default=None, description="At least this.")
    reason: _Reasons | None = None
    min_percent: Percent | None = None

    @model_validator(mode="after")
    def _names_fit_the_kind(self) -> Self:
        if self.kind is not None and not self.kinds:
            key, needed = ("token", "price") if self.token else ("protocol", "tvl or protocol")
            raise ValueError(f"kind and {key} exclude each other: {key} needs kind {needed}")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of event that can fit."""
        named = self.protocol is not None or self.token is not None
        return tuple(kind for kind in self.kind or tuple(SHIPPED) if not named or self.names_of(kind) is not None)

    def names_of(self, kind: str) -> tuple[str, ...] | None:
        """The names of which an event's protocol or token must be one; None where none are given for its kind."""
        return self.token if SHIPPED[kind].entity == "token" else self.protocol


class Route(SettingsModel):
    """Where the events go that match: to a queue, to a channel, or to both."""

    name: Text | None = None
    match: RouteMatch = RouteMatch()
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
