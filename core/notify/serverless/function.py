"""`rtp notify` where nothing runs between calls: a batch goes into the outboxes, and what is due is told."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from core.emf import emf_log
from core.errors import SettingsError
from core.notify.acknowledgement.acknowledgements import Acknowledgements
from core.notify.build import build_notifier
from core.notify.figures import NotifyFigures, NotifyTally
from core.notify.intakes.intake import Intake
from core.notify.outbox.client import outbox_client
from core.notify.outbox.outbox import Outbox
from core.notify.overview import look_over
from core.notify.serverless.short_work import LEASE_SECONDS, tell_what_is_due
from core.notify.service.stored_addresses import with_stored_addresses
from core.notify.tellings import build_tellings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from core.emf import Figure
    from core.notify.tellers.telling import Telling
    from core.problem import Problem
    from core.settings.models import Settings

_ADDRESSES_SECONDS = 300.0


class NotifyFunction:
    """What is kept between calls: the way to Redis, and to the services of people. One call at a time."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        on_problem: Callable[[Problem], None],
        write: Callable[[str], None],
    ) -> None:
        if not settings.notify:
            raise SettingsError("the settings name nobody", "Say under `notify` who is to be told")
        self._settings, self._environ, self._on_problem = settings, environ, on_problem
        self._client, self._address = outbox_client(settings)
        acknowledgements = Acknowledgements(self._client, self._address)
        self._outbox = Outbox(self._client, self._address)
        self._intake = Intake(settings.notify, self._outbox, acknowledgements, on_problem=on_problem)
        self._destinations = [name for audience in settings.notify for name in audience.destinations]
        self._tally = NotifyTally(self._destinations)
        self._figures, self._log = NotifyFigures(self._tally), emf_log(settings.emf, write)
        self._held: Mapping[str, str] = {}
        self._tellings: Mapping[str, Telling] = {}
        self._read_at: float | None = None

    def take(self, documents: Sequence[str]) -> None:
        """Put all of these into the outboxes, or none. Raises SinkUnavailable."""
        self._intake.take(documents)

    def tell(self, *, seconds: float, ahead_seconds: float, last_seconds: float) -> None:
        """Tell what is due, for so long at most, and what becomes due within `ahead_seconds`.

        `last_seconds` are then for messages that are under way. Raises SettingsError and SecretUnavailable where
        nobody's address is known, SinkUnavailable without Redis.
        """
        self._know_addresses()
        notifier = build_notifier(
            self._settings,
            self._tellings,
            source=None,
            on_outcome=self._tally.observe,
            on_problem=self._on_problem,
            lease_seconds=LEASE_SECONDS,
        )
        notifier.start()
        try:
            tell_what_is_due(notifier, seconds=seconds, ahead_seconds=ahead_seconds)
        finally:
            notifier.stop(last_seconds)

    def note(self, figures: Iterable[Figure] = (), *, at_once: bool = False) -> None:
        """Tell CloudWatch, where it is time or should be `at_once`. Raises SinkUnavailable."""
        if self._log is None:
            return
        self._log.note(figures)
        if at_once or self._log.is_due:
            seen = look_over(self._client, self._address, self._destinations)
            self._log.note(self._figures.figures(seen), at_once=at_once)

    def _know_addresses(self) -> None:
        """Read them anew now and then, as they may change at any time."""
        now = time.monotonic()
        if self._read_at is not None and now - self._read_at < _ADDRESSES_SECONDS:
            return
        environ = with_stored_addresses(self._environ)
        if environ != self._held or not self._tellings:
            self._outbox.know(self._destinations)
            self._tellings, self._held = build_tellings(self._settings, environ, self._on_problem), environ
        self._read_at = now
