"""Which pages there are, and what makes each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from documents.commands import commands_page
from documents.event import event_page
from documents.http import http_page
from documents.messages import messages_page
from documents.metrics import metrics_page
from documents.names import names_page
from documents.settings import settings_page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "event-schema.md": event_page,
    "http.md": http_page,
    "messages.md": messages_page,
    "metrics.md": metrics_page,
    "names.md": names_page,
    "settings.md": settings_page,
}
