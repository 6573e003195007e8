"""`rtp notify --test`: a message to a destination, to see whether it arrives."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cli.logs import report
from cli.notify.extra import needing_apprise
from cli.output import out, print_json, print_problem
from core.errors import SettingsError
from core.notify.answer import Accepted
from rtp_client.redact import shown

if TYPE_CHECKING:
    from core.notify.voice import Voice
    from core.settings.models import Settings
    from core.settings.notify import Audience


def try_out(settings: Settings, named: str, *, as_json: bool) -> bool:
    """Tell a destination, or all of an audience, of something that has not happened. Returns whether all accepted."""
    if named not in (names := _names(settings)):
        close = get_close_matches(named, names, n=1)
        remedy = f"Did you mean {close[0]}?" if close else f"There are {', '.join(names)}" if names else "Set notify"
        raise SettingsError(f"option --test: nobody is called {shown(named)}", remedy)
    with needing_apprise():
        from core.notify.voice import voices  # noqa: PLC0415 - an extra
    audiences = {audience.name: audience for audience in settings.notify}
    with ExitStack() as ending:
        found = [
            ending.enter_context(closing(one)) for one in voices(settings, os.environ, report, only=named).values()
        ]
        with ThreadPoolExecutor(len(found)) as threads:
            outcomes = list(threads.map(lambda voice: _told(voice, audiences[voice.audience], settings), found))
    for outcome in outcomes:
        print_json(outcome) if as_json else _show(outcome)
    return all(outcome["accepted"] for outcome in outcomes)


def _names(settings: Settings) -> list[str]:
    return [name for audience in settings.notify for name in (audience.name, *audience.destinations)]


def _told(voice: Voice, audience: Audience, settings: Settings) -> dict[str, Any]:
    from core.notify.trial.sample import TEST, sample_for  # noqa: PLC0415 - as above

    began = time.monotonic()
    answer = voice.tell([sample_for(settings, audience)], opening=TEST)
    return {
        "destination": voice.name,
        "service": voice.service,
        "accepted": isinstance(answer, Accepted),
        "reason": None if isinstance(answer, Accepted) else answer.reason,
        "seconds": round(time.monotonic() - began, 3),
    }


def _show(outcome: dict[str, Any]) -> None:
    name = f"{outcome['destination']} ({outcome['service']})"
    if outcome["accepted"]:
        out.print(f"{name}: accepted in {outcome['seconds'] * 1000:,.0f} ms", markup=False)
    else:
        print_problem(f"{name}: {outcome['reason']}", style="red")
