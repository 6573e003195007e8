"""The demo's live view: events as they come out of Redis, alerts as they come out of SQS, and the status below."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from msgspec import to_builtins
from rich.console import Group
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from cli.event_line import event_line
from cli.live_status import status_line, status_table
from cli.logs import warn
from cli.output import out, print_json
from core.demo.alerts import DemoAlerts
from core.demo.queue import create_queue
from core.errors import ServiceUnavailable
from core.services.sqs_client import sqs_client
from rtp_client import EventStream
from rtp_client.event import decode_event

if TYPE_CHECKING:
    from types import TracebackType

    from core.processor.pipeline import Pipeline
    from core.processor.status import Status
    from core.settings.models import Settings
    from core.stack import StackAddresses
    from rtp_client.event import Event

_LINES = 16


class DemoView:
    """Follows the stream and consumes the queue; shows both, live on a terminal, as lines elsewhere."""

    def __init__(self, settings: Settings, addresses: StackAddresses, *, as_json: bool) -> None:
        self._as_json = as_json
        self._live = Live(console=out, refresh_per_second=8, transient=True)
        self._is_live = out.is_terminal and not as_json
        self._lines: deque[Text] = deque(maxlen=_LINES)
        self._status: Status | None = None
        self._lock = threading.Lock()
        self._client = sqs_client(settings.sqs)
        queue_url = create_queue(self._client, settings.sqs.queue or "")
        self._alerts = DemoAlerts(self._client, queue_url, self._show_alert)
        self._stream = EventStream(addresses.redis_url, on_notice=warn)
        self._follower = threading.Thread(target=self._follow, name="rtp-demo-view", daemon=True)

    def __enter__(self) -> Self:
        self._alerts.start()
        self._follower.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._follower.join(timeout=5)
        self._alerts.stop()
        self._client.close()

    def open(self) -> AbstractContextManager[object]:
        """Take over the terminal, if it is one."""
        return self._live if self._is_live else nullcontext()

    def show(self, status: Status, *, is_interval_over: bool) -> None:
        """Redraw, or print a line."""
        if self._is_live:
            self._status = status
            self._redraw()
        elif self._as_json:
            print_json({"status": status.as_json()})
        elif is_interval_over:
            with self._lock:
                out.print(status_line(status), soft_wrap=True)

    def has_caught_up(self, pipeline: Pipeline) -> bool:
        """Whether every alert that was delivered to the queue has been consumed."""
        delivered = [d.metrics.delivered for d in pipeline.deliveries if d.sink.name == "sqs"]
        return self._alerts.received >= sum(delivered)

    def _follow(self) -> None:
        try:
            for tailed in self._stream.follow():
                self._show("event", tailed.event)
        except ServiceUnavailable as error:
            warn(str(error))

    def _show_alert(self, document: dict[str, Any]) -> None:
        self._show("alert", decode_event(json.dumps(document)))

    def _show(self, what: str, event: Event) -> None:
        with self._lock:
            if self._as_json:
                print_json({what: to_builtins(event)})
                return
            label = Text("SQS   " if what == "alert" else "Redis ", style="magenta" if what == "alert" else "cyan")
            line = label + event_line(event)
            self._lines.append(line)
            if not self._is_live:
                out.print(line, soft_wrap=True)
                return
        self._redraw()

    def _redraw(self) -> None:
        events = Group(*self._lines) if self._lines else Text("waiting for the first event ...")
        below = status_table(self._status) if self._status else Text("")
        self._live.update(Group(Panel(events, title="rtp demo - Ctrl-C ends it"), below))
