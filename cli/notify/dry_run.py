"""`rtp notify --dry-run`: the messages that people would get of the newest events, none of which is sent."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cli.logs import report
from cli.notify.extra import needing_apprise
from cli.output import err, out, print_json
from core.errors import SettingsError
from core.notify.choice.choose import rules_of
from core.notify.choice.limits import limit_of
from core.notify.choice.listeners import listeners
from core.notify.trial.newest import newest
from core.notify.trial.rehearsal import rehearse
from core.problem import counted
from rtp_client.event import format_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.notify.alert import Alert
    from core.notify.choice.choose import Rules
    from core.notify.trial.rehearsal import Rehearsed
    from core.notify.voice import Voice
    from core.settings.models import Settings

MOST_EVENTS = 1_000


def dry_run(settings: Settings, *, as_json: bool) -> None:
    """Print them, destination by destination. Raises SettingsError."""
    with needing_apprise():
        from core.notify.voice import voices  # noqa: PLC0415 - an extra
    if not settings.notify:
        raise SettingsError("option --dry-run: the settings name nobody", "Say under `notify` who is to be told")
    with ExitStack() as ending:
        speaking = voices(settings, os.environ, report)
        for voice in speaking.values():
            ending.callback(voice.close)
        told = _told(settings)
        for audience in settings.notify:
            for name, to in audience.destinations.items():
                rules = rules_of(audience, limit_of(to, audience, speaking[name].scheme))
                _rehearse(speaking[name], told[name], rules, as_json=as_json)
    err.print(f"Nothing was sent. These are the newest events of Redis's stream, {MOST_EVENTS:,} at most.")


def _rehearse(voice: Voice, told: Sequence[Alert], rules: Rules, *, as_json: bool) -> None:
    messages = [_document(voice, one) for one in rehearse(told, rules)]
    for message in messages:
        print_json(message) if as_json else _show(message)
    said = f"{counted(len(told), 'alert')} in {counted(len(messages), 'message')}"
    err.print(f"{voice.name} ({voice.service}): {said}", markup=False)


def _told(settings: Settings) -> dict[str, list[Alert]]:
    """What each destination would be told of, in order, each event once."""
    told: dict[str, list[Alert]] = defaultdict(list)
    found = {alert.event.id: alert for alert in newest(settings, MOST_EVENTS)}  # of several copies the first
    for alert in reversed(found.values()):
        for audience in listeners(settings.notify, alert.event.data):
            for name in audience.destinations:
                told[name].append(alert)
    return told


def _document(voice: Voice, rehearsed: Rehearsed) -> dict[str, Any]:
    events = [alert.event for alert in rehearsed.alerts]
    message = voice.message(events)
    return {
        "destination": voice.name,
        "service": voice.service,
        "at": format_time(datetime.fromtimestamp(rehearsed.at, UTC)),
        "alerts": [event.id for event in events],
        "severity": message.severity,
        "format": message.format,
        "title": message.title,
        "body": message.body,
    }


def _show(message: dict[str, Any]) -> None:
    head = f"{message['at'][:19].replace('T', ' ')}Z  {message['destination']} ({message['service']})"
    text = "\n".join(part for part in (message["title"], message["body"]) if part)
    shown = "\n".join("".join(c if c.isprintable() else "�" for c in line) for line in text.splitlines())
    out.print(head, style="bold", markup=False)
    out.print(f"{shown}\n", markup=False, soft_wrap=True)
