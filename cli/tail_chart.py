"""What `rtp tail --chart` draws: each line's last values as a row of blocks, and one entity's as a plot below."""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import suppress
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from cli.chart import plot, sparkline
from cli.event_line import printable
from core.amounts import spelled
from core.kinds import Kind
from rtp_client.event import decode_event
from rtp_client.keys import STREAM
from rtp_client.redact import redact

if TYPE_CHECKING:
    from core.kinds import Kinds
    from core.settings.models import RedisSettings
    from rtp_client.event import Event, EventData

SPARKLINE_CELLS = 12
_PLOT_LINES = 8
_MOST_POINTS, _MOST_ENTITIES = 500, 5_000
_MOST_EARLIER = 2_000
_Point = tuple[float, float]


class Charts:
    """The last values of each entity, from events."""

    def __init__(self) -> None:
        self._points: OrderedDict[tuple[str, str, str], deque[_Point]] = OrderedDict()

    def add_earlier(self, settings: RedisSettings) -> None:
        """What Redis holds of the last events. Raises ServiceUnavailable."""
        from rtp_client.redis import redis_client, redis_errors  # noqa: PLC0415 - slow to import, and `--help` needs none of it

        url = settings.url or ""
        with (
            redis_errors(redact(url)),
            redis_client(url, client_name="rtp-tail", timeout_seconds=settings.timeout_seconds, retries=1) as client,
        ):
            found: Any = client.xrevrange(STREAM, count=_MOST_EARLIER)
        for _, fields in reversed(found):
            with suppress(ValueError):  # whoever follows the stream will say so
                self.add(decode_event(fields.get(b"event", b"")))

    def add(self, event: Event) -> None:
        """The value that an event tells; before the first one, what was reported before."""
        key, at = _key(event.data), datetime.fromisoformat(event.data.detected_at).timestamp()
        points = self._points.setdefault(key, deque(maxlen=_MOST_POINTS))
        self._points.move_to_end(key)
        if len(self._points) > _MOST_ENTITIES:
            self._points.popitem(last=False)
        for told in (event.data.previous, event.data.current) if not points else (event.data.current,):
            if told is not None and isfinite(value := float(told)):
                points.append((at, value))

    def line(self, event: Event) -> Text:
        """The entity's last values."""
        values = [value for _, value in self._points.get(_key(event.data), ())]
        return Text(sparkline(values, SPARKLINE_CELLS), "cyan")

    def below(self, event: Event, kinds: Kinds, width: int) -> Group:
        """The entity's values over the time since the first of them."""
        data = event.data
        kind = kinds.get(data.kind, Kind(data.kind, ""))
        points = list(self._points.get(_key(data), ()))
        if not points:
            return Group()
        values = [value for _, value in points]
        high, low = (spelled(str(value), kind) for value in (max(values), min(values)))
        room = max(len(high), len(low))
        lines = plot(points, width - room - 1, _PLOT_LINES)
        labels = [high, *[""] * (len(lines) - 2), low]
        since = f"{datetime.fromtimestamp(points[0][0]).astimezone():%H:%M:%S}"
        title = printable(f"{data.kind} {data.chain}/{data.entity} since {since}")
        return Group(
            Text(title, "bold", no_wrap=True, overflow="ellipsis"),
            *(
                Text.assemble((line, "cyan"), " ", (f"{label:>{room}}", "dim"))
                for line, label in zip(lines, labels, strict=True)
            ),
        )


def _key(data: EventData) -> tuple[str, str, str]:
    return data.kind, data.chain, data.entity
