"""What `rtp notify` needs beyond a plain installation, and the notifier that is made with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cli.logs import report
from core.notify.build import build_notifier
from core.notify.intakes.source import source_of
from core.notify.service.stored_addresses import with_stored_addresses
from core.sinks.sink_type import needing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from core.notify.intakes.source import From
    from core.notify.notifier import Notifier
    from core.notify.outcome import MessageOutcome
    from core.settings.models import Settings


def needing_apprise() -> AbstractContextManager[None]:
    """Within the block it is imported. Raises SettingsError where it is not installed."""
    return needing("notify", "rtp notify tells people through Apprise")


def make_notifier(
    settings: Settings,
    source: From | None,
    queues: Sequence[str] = (),
    *,
    on_outcome: Callable[[MessageOutcome], None],
) -> Notifier:
    """The notifier of these settings, not started yet. Raises SettingsError and SecretUnavailable."""
    with needing_apprise():
        from core.notify.tellings import build_tellings  # noqa: PLC0415 - an extra
    return build_notifier(
        settings,
        build_tellings(settings, with_stored_addresses(os.environ), report),
        source=source_of(settings, source, queues),
        queues=queues,
        on_outcome=on_outcome,
        on_problem=report,
    )
