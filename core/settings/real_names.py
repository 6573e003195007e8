"""What queues and tables are really called, where that is not what the settings call them.

Two deployments of one settings file need names of their own. `infrastructure/` gives them by `RTP_NAMES`, a JSON object
like `{"rtp-alerts.fifo": "staging-rtp-alerts.fifo"}`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import SettingsError
from core.settings.fields import SettingsModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.settings.models import Settings

VARIABLE = "RTP_NAMES"
_Section = TypeVar("_Section", bound=SettingsModel)


def names_from(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The real names by those in the settings. Raises SettingsError where the variable holds anything else."""
    try:
        names = json.loads(environ.get(VARIABLE) or "{}")
    except ValueError:
        names = None
    if not isinstance(names, dict) or not all(isinstance(real, str) and real for real in names.values()):
        raise SettingsError(
            f"environment {VARIABLE}: must be a JSON object of names, "
            'like {"rtp-alerts.fifo": "staging-rtp-alerts.fifo"}'
        )
    return names


def with_real_names(settings: Settings, names: Mapping[str, str]) -> Settings:
    """The settings with the real names in place of their own."""
    if not names:
        return settings

    tables = {watch: _renamed(table, names, "table") for watch, table in settings.dynamodb.tables.items()}
    dynamodb = _renamed(settings.dynamodb, names, "dead_letter_queue").model_copy(update={"tables": tables})
    queues = ("queue", "dead_letter_queue")
    changes: dict[str, Any] = {
        "dynamodb": dynamodb,
        "routes": tuple(_renamed(route, names, *queues) for route in settings.routes),
        "sqs": _renamed(settings.sqs, names, *queues),
    }
    return settings.model_copy(update=changes)


def _renamed(section: _Section, names: Mapping[str, str], *fields: str) -> _Section:
    written = {field: getattr(section, field) for field in fields}
    return section.model_copy(update={field: names.get(name, name) for field, name in written.items()})
