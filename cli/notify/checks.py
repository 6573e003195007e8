"""Whether people could be told by the settings, for `rtp validate`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli.notify.extra import needing_apprise
from core.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.settings.models import Settings


def notify_findings(settings: Settings) -> tuple[Sequence[str], Sequence[str]]:
    """What is wrong, and what is to be warned of."""
    if not settings.notify:
        return [], []
    try:
        with needing_apprise():
            from core.notify.trial.checkup import check_notify  # noqa: PLC0415 - an extra
    except SettingsError as error:
        return [], [f"notify was not looked at: {error}"]
    found = check_notify(settings, os.environ)
    return found.problems, found.warnings
