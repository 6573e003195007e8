"""Reading the settings with every sink's own section in them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from core.settings.file import read_settings
from core.settings.models import Settings
from core.settings.real_names import names_from, with_real_names
from core.sinks import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.sinks.sink_type import SinkType


def load_settings(path: Path | None, *, environ: Mapping[str, str], options: Mapping[str, str | None]) -> Settings:
    """The settings in force. `path` None means rtp's own default.yaml; options have keys like `postgres.dsn`.

    Raises SettingsError; its message has one line per problem, the file's first and by line.
    """
    variables = [
        (name, f"{sink_type.section}.{key}")
        for sink_type in registry.SINK_TYPES
        for name, key in sink_type.variables.items()
    ]
    settings = read_settings(settings_with_sections(), path, environ=environ, options=options, variables=variables)
    return with_real_names(settings, names_from(environ))


def settings_with_sections() -> type[Settings]:
    """`Settings` with the sections of all sinks."""
    return _with_sections(registry.SINK_TYPES)


def packaged_settings(environ: Mapping[str, str]) -> Settings:
    """Those of a Lambda: the file that RTP_CONFIG names, by default rtp.yaml beside the code. Raises SettingsError."""
    root = environ.get("LAMBDA_TASK_ROOT", ".")
    return load_settings(Path(environ.get("RTP_CONFIG") or Path(root, "rtp.yaml")), environ=environ, options={})


@cache
def _with_sections(sink_types: tuple[SinkType, ...]) -> type[Settings]:
    """`Settings` with the sections of sinks that it does not have by itself."""
    sections: dict[str, Any] = {
        sink_type.section: (sink_type.model, sink_type.model())
        for sink_type in sink_types
        if sink_type.section not in Settings.model_fields
    }
    return create_model("Settings", __base__=Settings, **sections)
