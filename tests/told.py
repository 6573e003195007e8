"""A notifier in the test's own process, that tells by a plain POST: what Apprise adds is tested by itself."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from core.notify.answer import Accepted, Declined, Later
from core.notify.build import build_notifier
from core.notify.choice.choose import Rules
from core.notify.tellers.retries import Patience
from core.notify.tellers.telling import Telling
from rtp_client.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from core.notify.alert import Alert
    from core.notify.answer import Answer
    from core.notify.intakes.source import From
    from core.notify.notifier import Notifier
    from core.notify.outcome import MessageOutcome
    from core.problem import Problem
    from core.settings.models import Settings

QUICK = Patience(backoff=Backoff(0.02, 0.1), max_attempts=3)


def posted_to(url: str) -> Callable[[Sequence[Alert]], Answer]:
    """What tells an address of alerts: the ids of their events, as JSON."""

    def tell(alerts: Sequence[Alert]) -> Answer:
        body = json.dumps([[alert.event.data.entity, alert.event.id] for alert in alerts]).encode()
        try:
            with urlopen(Request(url, body, method="POST"), timeout=5):  # noqa: S310 - the test's own server
                return Accepted()
        except HTTPError as error:
            with error:
                asked = error.headers.get("Retry-After")
            if error.code == 400:
                return Declined(f"HTTP {error.code}")
            return Later(f"HTTP {error.code}", float(asked) if asked else None)
        except OSError as error:
            return Later(type(error).__name__, is_away=True)

    return tell


@contextmanager
def notifying(
    settings: Settings,
    tells: Mapping[str, Callable[[Sequence[Alert]], Answer]],
    *,
    source: From = "sqs",
    rules: Rules | None = None,
    patience: Patience = QUICK,
    at_once: int = 8,
    on_outcome: Callable[[MessageOutcome], None] = lambda _: None,
    on_problem: Callable[[Problem], None] = lambda _: None,
) -> Iterator[Notifier]:
    """Run one, with these destinations, within the block."""
    tellings = {name: Telling(rules or Rules(), patience, tell, at_once) for name, tell in tells.items()}
    notifier = build_notifier(settings, tellings, source=source, on_outcome=on_outcome, on_problem=on_problem)
    notifier.start()
    try:
        yield notifier
    finally:
        notifier.stop()


def told(bodies: Sequence[bytes]) -> list[tuple[str, str]]:
    """The entity and the event's id of every alert that was told, in order."""
    found: list[Any] = [one for body in bodies for one in json.loads(body)]
    return [(entity, event_id) for entity, event_id in found]
