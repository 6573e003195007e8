"""`rtp notify` within another command's process: `rtp run --notify`, and the demo."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.logs import LOG, write_line
from cli.notify.extra import make_notifier
from cli.notify.found_there import warn_of_what_is_there
from core.errors import SettingsError, SinkUnavailable
from core.monitor.notify_monitor import NotifyMonitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.registry import Collector

    from core.notify.intakes.source import From
    from core.notify.notifier import Notifier
    from core.settings.models import Settings

_IDLE_SECONDS = 1.0


class Notifying:
    """What else runs here wants to know of it."""

    def __init__(self, notifier: Notifier, monitor: NotifyMonitor) -> None:
        self._notifier = notifier
        self.metrics: Collector = monitor.collector

    def is_idle(self) -> bool:
        """Whether nobody is left to be told of anything within a minute."""
        try:
            return self._notifier.is_idle(_IDLE_SECONDS)
        except SinkUnavailable:
            return False


@contextmanager
def notifying(settings: Settings, *, source: From | None = None) -> Iterator[Notifying]:
    """People are told within the block; at its end what is in hand is finished. Raises SettingsError."""
    if not settings.notify:
        raise SettingsError("option --notify: the settings name nobody", "Say under `notify` who is to be told")
    monitor = NotifyMonitor(settings, is_alone=False, write=write_line)
    notifier = make_notifier(settings, source, on_outcome=monitor.observe)
    warn_of_what_is_there(notifier)
    notifier.start()
    monitor.start(notifier)
    try:
        yield Notifying(notifier, monitor)
    finally:
        if not notifier.stop():
            LOG.warning("A message was under way when rtp ended: it may be told again.")
        monitor.stop()
