"""Watching `rtp notify` from outside: whether it can take and keep alerts, and how its destinations stand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.emf import emf_log
from core.errors import SinkUnavailable
from core.monitor.answers import Answers
from core.monitor.http import MonitorServer
from core.monitor.lasting import LASTING_SECONDS
from core.monitor.notify_collector import NotifyCollector, NotifyLatencies
from core.monitor.progress import Hindrance
from core.notify.figures import NotifyFigures, NotifyTally
from core.notify.outbox.client import outbox_client
from core.notify.overview import Overview, look_over
from core.trouble import now
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.notify.notifier import Notifier
    from core.notify.outcome import MessageOutcome
    from core.settings.models import Settings

_LOOK_SECONDS = 5.0


class NotifyMonitor:
    """Counts what came of messages (`observe`), and looks every few seconds at what waits; a scrape asks nobody.

    Where it is `is_alone` it answers /healthz, /readyz and /metrics, if the settings ask for that; the server's port is
    then taken at once, and SettingsError raised where that fails. `write` takes metrics for CloudWatch, likewise.
    """

    role = "notifier"

    def __init__(self, settings: Settings, *, is_alone: bool, write: Callable[[str], None] = lambda _: None) -> None:
        self._destinations = [name for audience in settings.notify for name in audience.destinations]
        self._tally, self._latencies = NotifyTally(self._destinations), NotifyLatencies(self._destinations)
        self._figures, self._log = NotifyFigures(self._tally), emf_log(settings.emf, write)
        self._look = Overview()
        self._client, self._address = outbox_client(settings)
        self._notifier: Notifier | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notify_monitor", daemon=True)
        self.collector = NotifyCollector(
            self._tally,
            self._latencies,
            lambda: self._look,
            is_ready=lambda: not self.hindrances(),
            is_alone=is_alone,
        )
        listen = settings.http.listen if is_alone else None
        self._server = MonitorServer(listen, Answers(self, self.collector)) if listen else None

    @property
    def url(self) -> str | None:
        """Where the server listens; None without one."""
        return self._server.url if self._server else None

    def observe(self, outcome: MessageOutcome) -> None:
        """A service has answered, or has not."""
        self._tally.observe(outcome)
        self._latencies.observe(outcome)

    def start(self, notifier: Notifier) -> None:
        """Begin to look."""
        self._notifier = notifier
        self._thread.start()
        if self._server:
            self._server.start()

    def stop(self) -> None:
        """End, with a last line for CloudWatch."""
        if self._server:
            self._server.stop()
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def hindrances(self) -> Sequence[Hindrance]:
        """Why nothing can be taken, or kept."""
        if self._notifier is None:
            return [Hindrance("starting", "notify", "it has not begun")]
        return list(self._failing(self._notifier))

    def warnings(self) -> Sequence[Hindrance]:
        """Which destinations take nothing: no reason to have another process in place of this one."""
        return [
            Hindrance("circuit open", name, f"{one.reason} ({one.failures_in_a_row:,} times)")
            for name, one in self._look.standings.items()
            if one.failures_in_a_row
        ]

    def threads(self) -> Mapping[str, bool]:
        """Every loop, and whether it is alive."""
        loops = self._notifier.threads() if self._notifier else {}
        return {**loops, "monitor": self._thread.is_alive()}

    def _failing(self, notifier: Notifier) -> Iterator[Hindrance]:
        at = now().timestamp()
        for trouble in notifier.troubles.current():
            if trouble.since.timestamp() + LASTING_SECONDS <= at:
                detail = f"{trouble.cause} ({trouble.failures:,} times)"
                yield Hindrance("failing", trouble.service, detail, format_time(trouble.since))

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._look_once()
            self._stopping.wait(_LOOK_SECONDS)
        self._look_once()
        self._client.close()

    def _look_once(self) -> None:
        try:
            self._look = look_over(self._client, self._address, self._destinations)
        except SinkUnavailable:  # the leases tell of it
            return
        is_last = self._stopping.is_set()
        if self._log and (self._log.is_due or is_last):
            self._log.note(self._figures.figures(self._look), at_once=is_last)
