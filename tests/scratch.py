"""Where the tests and their servers keep files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  (names below it are random)
_DISK = Path("/tmp")  # noqa: S108
_ROOM_BYTES = 4 << 30


def scratch_folder() -> Path:
    """Memory, where there is plenty: on a disk, the 300 files of each test's database cost ten times the CPU."""
    return _MEMORY if _is_roomy(_MEMORY) else _DISK


def _is_roomy(folder: Path) -> bool:
    try:
        can_run = not os.statvfs(folder).f_flag & os.ST_NOEXEC  # containers often forbid it
        return can_run and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ROOM_BYTES
    except OSError:
        return False
