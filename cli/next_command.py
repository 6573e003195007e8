"""What comes next, on the way from nothing to events of one's own: init, install-triggers, run, tail."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def next_command(command: str, config: Path | None) -> str:
    """A command with the same settings file."""
    return f"rtp {command}" if config is None else f"rtp {command} --config {shlex.quote(str(config))}"
