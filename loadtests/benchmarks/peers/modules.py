"""Whether what a peer needs is installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

EXTRA = 'pip install "defi-rtp[peers]"'


def missing_module(*names: str) -> str | None:
    """Why a peer cannot take part: a Python package is not there."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed ({EXTRA})" if absent else None


def missing_library(programs: Path, file: str, package: str) -> str | None:
    """Why a peer cannot take part: the server lacks an extension. Its library lies beside the server's own."""
    folders = (programs.parent / "lib", programs.parent / "lib" / "postgresql")
    return None if any((folder / file).is_file() for folder in folders) else f"the server lacks it (Debian: {package})"
