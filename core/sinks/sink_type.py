"""What rtp needs to know of a type of sink, and of each sink of it that the settings ask for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import BaseModel

    from core.routes.matching import Routable
    from core.services.dead_letter_queue import DeadLetterQueue
    from core.settings.models import Settings
    from core.settings.routes import RouteMatch
    from core.sinks import Sink


@dataclass(frozen=True)
class Destination:
    """A sink that the settings ask for, not yet made: `make` connects to nothing.

    `sink` is its name: that of its cursor, in metrics and in the status.
    """

    sink: str
    make: Callable[[], Sink]
    wants: Callable[[Routable], bool] | None = None
    """Which events belong there; None: all of them."""
    match: RouteMatch | None = None
    """What they must be like, where one match of the settings says so."""
    starts_at_latest: bool = False
    """Whether a new one passes over what the log holds already."""
    find_dead_letter_queue: Callable[[], DeadLetterQueue | None] | None = None
    """None where no queue for dead letters can be behind it. Raises SinkUnavailable and SettingsError."""
    service: str = ""
    """What has its dead letter queue, as a SinkUnavailable names it: one that is away has none of its queues."""

    def takes(self, event: Routable) -> bool:
        """Whether an event belongs there."""
        return self.wants is None or self.wants(event)


@dataclass(frozen=True)
class SinkType:
    """A type of sink, e.g. SQS. `core.sinks.registry` lists them all.

    `section` is its key in the settings and `model` what stands there; without any key it asks for no sink.
    """

    section: str
    model: type[BaseModel]
    destinations: Callable[[Settings], Iterable[Destination]]
    asked_for_by: str
    """The keys that ask for a sink of it, e.g. `redis.url`."""
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables, and the key below the section that each sets, weakest first."""
    find_weaknesses: Callable[[Settings], Iterable[str]] = lambda _: ()
    """What `rtp validate` warns of, a line each."""


@contextmanager
def needing(extra: str, what: str) -> Iterator[None]:
    """Around the imports of what only an extra installs. Raises SettingsError naming it, where that is missing."""
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            f"{what}, and what that needs is not installed here", f'pip install "defi-rtp[{extra}]"'
        ) from error
