"""What one sink's loop tells a person: each trouble once, and its end."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from core.problem import Problem, counted, event_facts
from core.processor.storm import Storm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from core.errors import SinkUnavailable
    from core.sinks import Sink
    from rtp_client.event import Event

_LOGGER = logging.getLogger("rtp.delivery")


class SinkNews:
    """Of an outage the circuit breaker tells; this is about one sink alone."""

    def __init__(self, sink: Sink, on_problem: Callable[[Problem], None]) -> None:
        self._sink = sink
        self._on_problem = on_problem
        self._is_refused = False
        self._deaths = Storm()
        self._last_death = ""

    def refused(self, error: SinkUnavailable) -> None:
        """The service answers, and refuses this sink."""
        if not self._is_refused:
            self._is_refused = True
            self._tell(f"{str(error).rstrip('.')}. Trying again", error=error.cause)

    def taken(self) -> None:
        """The service has taken a batch."""
        if self._is_refused:
            self._is_refused = False
            self._tell(f"{self._sink.service} at {self._sink.address}: recovered", level=logging.INFO)

    def log_was_set_back(self, log_id: str, known: int, reached: int, now_above: int) -> None:
        """The database is older than what was read of it."""
        text = (
            f"the database was set back: log {log_id} has come to sequence {reached}, and sink {self._sink.name} has"
            f" had events of it up to {known}. It goes on under another name, above sequence {now_above}"
        )
        self._tell(text, log=log_id, log_sequence=reached, known_sequence=known, goes_on_above=now_above)

    def delivered(self, events: Sequence[Event]) -> None:
        """Tell of a delivered batch, at the level `debug`."""
        if _LOGGER.isEnabledFor(logging.DEBUG):
            facts = self._facts(event_facts([event.id for event in events]))
            _LOGGER.debug("%s: delivered %s", self._sink.name, counted(len(events), "event"), extra={"facts": facts})

    def parked(self, events: Sequence[Event], cause: str) -> None:
        """The service has not taken these, and nothing was parked before."""
        text = f"{self._sink.service} did not take all events: {cause}. Trying these again"
        self._tell(text, error=cause, **event_facts([event.id for event in events]))

    def died(self, event_ids: Collection[str], error: str) -> None:
        """These will not be tried again. Of very many, the first are told, and then only counted."""
        self._last_death = error
        if not self._deaths.is_worth_a_line(len(event_ids)):
            return
        died = counted(len(event_ids), "event became a dead letter", "events became dead letters")
        text = f"{self._sink.name}: {died}: {error}"
        self._tell(text, error=error, **event_facts(event_ids))

    def tell_untold(self, *, at_once: bool = False) -> None:
        """How many more events died than were told of; now and then, or `at_once`."""
        if untold := self._deaths.take_untold(at_once=at_once):
            more = counted(untold, "more event became a dead letter", "more events became dead letters")
            self._tell(
                f"{self._sink.name}: {more}, the last one: {self._last_death}", error=self._last_death, events=untold
            )

    def _tell(self, text: str, *, level: int = logging.WARNING, **facts: Any) -> None:
        self._on_problem(Problem(text, "delivery", level, self._facts(facts)))

    def _facts(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"sink": self._sink.name, "service": self._sink.service, **more}
