"""What a demo shows: events as they come out of Redis, once each, while its alerts are taken off the queue."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Self

from msgspec import to_builtins
from rich.live import Live
from rich.text import Text

from cli.demo_notifications import notification_line
from cli.event_line import event_line
from cli.live_status import status_line, status_table
from cli.logs import warn
from cli.output import out, print_json
from core.demo.alerts import DemoAlerts
from core.demo.queue import create_queue
from core.errors import ServiceUnavailable
from core.inspection.document import as_document
from core.problem import counted
from core.services.sqs_client import sqs_client
from rtp_client import EventStream
from rtp_client.event import decode_event

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from core.demo.catcher import Caught
    from core.processor.pipeline import Pipeline
    from core.processor.status import Status
    from core.settings.models import Settings
    from rtp_client.event import Event


class DemoView:
    """Takes every alert off the queue, so that it never fills up. How events are shown is another's part."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = sqs_client(settings.sqs)
        queue_url = create_queue(self._client, settings.sqs.queue or "")
        self._alerts = DemoAlerts(self._client, queue_url, self.show_alert)

    def __enter__(self) -> Self:
        self._alerts.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._alerts.stop()
        self._client.close()

    def alerts_taken(self) -> str:
        """How many, in words."""
        return f"{counted(self._alerts.received, 'alert')} taken from SQS"

    def run(self, work: Callable[[], None]) -> None:
        """Show things while that is done."""
        work()

    def open(self) -> AbstractContextManager[object]:
        """Take over the terminal, if the view does that."""
        return nullcontext()

    def show(self, status: Status, *, is_interval_over: bool) -> None:
        """Show the newest status."""

    def show_alert(self, document: dict[str, Any]) -> None:
        """An alert is the same event once more: it is counted."""

    def show_notification(self, caught: Caught) -> None:
        """Somebody was told; where nothing else shows it, the page does."""

    def has_caught_up(self, pipeline: Pipeline) -> bool:
        """Whether every alert that was delivered to the queue has been consumed."""
        delivered = [d.metrics.delivered for d in pipeline.deliveries if d.sink.name == "sqs"]
        return self._alerts.received >= sum(delivered)


class DemoLines(DemoView):
    """A line an event. On a terminal it fits the width, and the sinks stay below; elsewhere there is a line of them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._live = Live(console=out, refresh_per_second=4)
        self._lock = threading.Lock()
        self._stream = EventStream(settings.redis.url or "", on_notice=warn)
        self._follower = threading.Thread(target=self._follow, name="rtp-demo-view", daemon=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self._follower.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stream.close()
        self._follower.join(timeout=5)
        super().__exit__(kind, error, traceback)

    def open(self) -> AbstractContextManager[object]:
        """Keep the terminal's last lines for the sinks, if it is one."""
        return self._live if out.is_terminal else nullcontext()

    def show(self, status: Status, *, is_interval_over: bool) -> None:
        """Redraw, or print a line."""
        if self._live.is_started:
            self._live.update(status_table(status, self.alerts_taken()))
        elif is_interval_over:
            self._print(lambda: out.print(f"{status_line(status)}; {self.alerts_taken()}", soft_wrap=True))

    def show_event(self, event: Event) -> None:
        """Print its line."""
        width = out.width if out.is_terminal else None
        self._print(lambda: out.print(event_line(event, self._settings.all_kinds, width=width), soft_wrap=True))

    def show_notification(self, caught: Caught) -> None:
        """Print its line."""
        self._print(lambda: out.print(Text(notification_line(caught)), soft_wrap=True))

    def _print(self, what: Callable[[], None]) -> None:
        with self._lock:
            what()

    def _follow(self) -> None:
        try:
            for tailed in self._stream.follow():
                self.show_event(tailed.event)
        except ServiceUnavailable as error:
            warn(str(error))


class DemoJson(DemoLines):
    """Events, alerts and statuses, each as one JSON document."""

    def open(self) -> AbstractContextManager[object]:
        """Leave the terminal as it is."""
        return nullcontext()

    def show(self, status: Status, *, is_interval_over: bool) -> None:
        """Print it."""
        self._print(lambda: print_json({"status": status.as_json()}))

    def show_event(self, event: Event) -> None:
        """Print it."""
        self._print(lambda: print_json({"event": to_builtins(event)}))

    def show_notification(self, caught: Caught) -> None:
        """Print it."""
        self._print(lambda: print_json({"notification": as_document(caught)}))

    def show_alert(self, document: dict[str, Any]) -> None:
        """Print it."""
        event = decode_event(json.dumps(document))
        self._print(lambda: print_json({"alert": to_builtins(event)}))
