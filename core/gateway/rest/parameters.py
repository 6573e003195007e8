"""The parameters of requests: read from the query, and described in the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.errors import SettingsError
from rtp_client.event import Reason, Severity
from rtp_client.event_filter import EventFilter
from rtp_client.redact import shown
from rtp_client.stream.position import Position

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from starlette.datastructures import QueryParams

MOST_LISTED, LISTED = 1000, 200
_TEXT: Mapping[str, Any] = {"type": "string"}
_TOKEN = "access_token"  # noqa: S105 - a name; TokenCheck reads it


@dataclass(frozen=True)
class Parameter:
    """One parameter; `is_many`: it may be given several times."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: _TEXT)
    is_many: bool = False


ENTITIES = (
    Parameter(
        "kind", "A name or a glob (`*`, `?`, `[...]`), whatever the case; one of several must fit.", is_many=True
    ),
    Parameter("chain", "As `kind`.", is_many=True),
    Parameter("entity", "As `kind`.", is_many=True),
)
EVENTS = (
    *ENTITIES,
    Parameter("min_pct", "At least this |change_pct|.", {"type": "number", "minimum": 0}),
    Parameter("severity", "At least this one.", {"enum": [str(one) for one in Severity]}),
    Parameter("market", "Whether it is part of a market-wide move.", {"type": "boolean"}),
    Parameter("reason", "One of these.", {"enum": [str(one) for one in Reason]}, is_many=True),
)
LIMIT = Parameter(
    "limit", "How many at most.", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED, "default": LISTED}
)
AFTER = Parameter("after", "`next` of the page before.")
SINCE = Parameter("since", "A position; `0`: all that Redis holds. Default: the end, for a position to begin with.")
WATCH = Parameter("watch", "Which watch to show, where several know the entity. Default: the first one.")


def check_names(query: QueryParams, parameters: Sequence[Parameter]) -> None:
    """Raise SettingsError for a parameter that there is not, or one that is given too often."""
    many = {parameter.name: parameter.is_many for parameter in parameters} | {_TOKEN: False}
    for name in query:
        if name not in many:
            raise SettingsError(f"{shown(name)!r} is no parameter", f"There are: {_listed(many) or 'none'}")
        if not many[name] and len(query.getlist(name)) > 1:
            raise SettingsError(f"{name}: is given more than once", "Give it once")


def filter_of(query: QueryParams, parameters: Sequence[Parameter]) -> EventFilter:
    """The filter that the query asks for. Raises SettingsError."""
    given = {one.name: query.getlist(one.name) for one in parameters if one.name in query}
    several = {one.name for one in parameters if one.is_many}
    try:
        return EventFilter.from_json({name: texts if name in several else texts[0] for name, texts in given.items()})
    except SettingsError as error:  # of a message, that is; here the parts are parameters
        raise SettingsError(error.message.removeprefix("filter."), error.remedy) from error


def limit_of(query: QueryParams) -> int:
    """How many the query asks for. Raises SettingsError."""
    written = query.get(LIMIT.name, str(LISTED))
    if written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= MOST_LISTED:
        return int(written)
    raise SettingsError(f"limit: must be a number from 1 to {MOST_LISTED}, not {shown(written)!r}")


def position_of(query: QueryParams) -> Position | None:
    """Since where the query asks for events; None: since now. Raises SettingsError."""
    written = query.get(SINCE.name)
    try:
        return None if written is None else Position.parse(written)
    except ValueError as error:
        raise SettingsError(f"since: {error}") from None


def _listed(names: Collection[str]) -> str:
    return ", ".join(name for name in names if name != _TOKEN)
