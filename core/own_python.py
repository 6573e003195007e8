"""Starting modules of rtp in other processes: the same modules as here, whatever stands in the current folder."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def own_module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module of rtp's."""
    return [sys.executable, "-P", "-m", name, *arguments]


def with_own_path(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for such a command: modules are looked for where this process has found them."""
    return {**environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
