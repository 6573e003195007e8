"""Whose letters there can be: a name that no sink has ever had is a slip, and not a list without letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import UnknownSink
from core.letters.table import read_letters
from core.log.cursor import known_sinks
from core.sinks.registry import sink_names
from rtp_client.redact import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.letters.store import DeadLetterStore
    from core.notify.outbox.letters import UntoldLetters
    from core.settings.models import Settings


def refuse_unknown_sink(sink: str | None, settings: Settings, others: Iterable[str]) -> None:
    """Raise UnknownSink, unless none is named, or the settings have it, or it is one of the others."""
    if sink is None:
        return
    of_settings = [*sink_names(settings), *(name for audience in settings.notify for name in audience.destinations)]
    if sink not in of_settings and sink not in (known := [*of_settings, *others]):
        raise UnknownSink(repr(shown(sink)), known, otherwise="None is set")


def sinks_of_before(store: DeadLetterStore | None, untold: UntoldLetters | None) -> Iterator[str]:
    """Those with a cursor or letters, which the settings may not have any more."""
    if store:
        yield from known_sinks(store.connection)
        yield from (letter.sink for letter in read_letters(store.connection, settled=True))
    if untold:
        yield from (letter.sink for letter, _ in untold.read())
